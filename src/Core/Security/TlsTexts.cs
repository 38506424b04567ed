using System.Text;

namespace Peft.Orleans.Core.Security;

/// <summary>What the three files have.</summary>
internal sealed record TlsTexts(string Certificate, string Key, string Authorities)
{
    /// <summary>More is no bundle of certificates; nothing longer is read.</summary>
    internal const int LongestFile = 1 << 20;

    /// <exception cref="PeftException">A file is missing, unreadable or too long.</exception>
    internal static TlsTexts Read(TlsFiles files) => new(Text(files.Certificate), Text(files.Key), Text(files.Authorities));

    private static string Text(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            // One more than may be: a pipe or a device tells no length.
            var bytes = new byte[LongestFile + 1];
            var read = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            return read <= LongestFile
                ? Encoding.UTF8.GetString(bytes, 0, read)
                : throw new PeftException($"{path}: longer than {LongestFile} bytes; expected certificates or a key in PEM form");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new PeftException($"{path} cannot be read ({error.Message}); it must be a PEM file", error);
        }
    }
}
