using System.Security.Cryptography;
using System.Text;

namespace Peft.Orleans.Core.Security;

/// <summary>
/// Tokens by their hashes: a line each, <c>operator</c> or <c>read-only</c>, then the sha256 of the token in hexadecimal; what follows and
/// lines that begin with <c>#</c> are remarks. Read again when the file changes.
/// </summary>
/// <remarks>A plain hash is enough for tokens, which are random and long; it would not be for passwords.</remarks>
public sealed class TokenFile
{
    private const int MostLines = 10_000;
    private const int LongestFile = 4 << 20;
    private const int LongestToken = 1024;

    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private readonly string path;
    private readonly TimeProvider time;
    private readonly object sync = new();
    private Dictionary<string, Role> roles;
    private byte[] content;
    private long looked;

    /// <summary>Reads the file.</summary>
    /// <exception cref="PeftException">It cannot be read, or a line is not as it should be.</exception>
    public TokenFile(string path, TimeProvider time)
    {
        this.path = path;
        this.time = time;
        content = Bytes();
        roles = Parse(content);
        looked = time.GetTimestamp();
    }

    /// <summary>The file has changed, or cannot be used any more: a line for the log.</summary>
    public event Action<string>? Changed;

    /// <summary>The role that a token gives.</summary>
    public Role RoleOf(string token)
    {
        if (token.Length is 0 or > LongestToken) return Role.None;
        // Found by its hash: how long the search takes tells nothing of the token.
        return Current().GetValueOrDefault(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(token))));
    }

    private Dictionary<string, Role> Current()
    {
        string? news = null;
        try
        {
            lock (sync)
            {
                if (time.GetElapsedTime(looked) < Pause) return roles;
                looked = time.GetTimestamp();
                try
                {
                    var found = Bytes();
                    if (found.AsSpan().SequenceEqual(content)) return roles;
                    // Remembered first: what is wrong with it is told once.
                    content = found;
                    roles = Parse(found);
                    news = $"{path} has changed: {roles.Count} tokens are in force";
                }
                catch (PeftException error)
                {
                    news = $"the former tokens stay in force: {error.Message}";
                }

                return roles;
            }
        }
        finally
        {
            if (news is not null) Changed?.Invoke(news);
        }
    }

    private byte[] Bytes()
    {
        try
        {
            using var file = File.OpenRead(path);
            var bytes = new byte[LongestFile + 1];
            var read = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            return read <= LongestFile ? bytes[..read] : throw new PeftException($"{path}: longer than {LongestFile} bytes");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new PeftException($"{path} cannot be read ({error.Message}); it must have a line for each token", error);
        }
    }

    private Dictionary<string, Role> Parse(byte[] text)
    {
        var found = new Dictionary<string, Role>(StringComparer.Ordinal);
        var number = 0;
        foreach (var line in Encoding.UTF8.GetString(text).Split('\n'))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line) || line.StartsWith('#')) continue;
            var words = line.Split((char[])[' ', '\t', '\r'], 3, StringSplitOptions.RemoveEmptyEntries);
            var role = words[0] switch { "operator" => Role.Operator, "read-only" => Role.ReadOnly, _ => Role.None };
            if (role == Role.None || words.Length < 2 || words[1].Length != 64 || !words[1].All(char.IsAsciiHexDigit))
            {
                // What is wrong may be a token itself: it is not repeated.
                throw new PeftException(
                    $"{path}:{number}: expected 'operator' or 'read-only', then the sha256 of a token in 64 hexadecimal digits: "
                    + "printf %s TOKEN | sha256sum");
            }

            if (found.Count == MostLines) throw new PeftException($"{path}:{number}: more than {MostLines} tokens");
            found[words[1].ToLowerInvariant()] = role;
        }

        return found;
    }
}
