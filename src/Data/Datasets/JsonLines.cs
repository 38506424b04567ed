using System.Security.Cryptography;
using Peft.Orleans.Core;

namespace Peft.Orleans.Data.Datasets;

/// <summary>Lines of a JSONL file, of any size, with the file's sha256.</summary>
internal static class JsonLines
{
    private const int ReadSize = 1 << 20;

    /// <summary>Calls back with batches of lines that are not blank.</summary>
    /// <returns>sha256 of the file, in hexadecimal.</returns>
    public static string Read(string path, int batchSize, Action<IReadOnlyList<(int Number, ReadOnlyMemory<byte> Text)>> batch)
    {
        if (!File.Exists(path)) throw new PeftException($"{path}: data file not found");
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1);
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            var lines = new List<(int, ReadOnlyMemory<byte>)>(batchSize);
            var buffer = new byte[ReadSize];
            var (filled, number) = (0, 0);
            while (true)
            {
                if (filled == buffer.Length) Array.Resize(ref buffer, buffer.Length * 2);
                var read = file.Read(buffer, filled, buffer.Length - filled);
                hash.AppendData(buffer, filled, read);
                filled += read;
                var start = 0;
                while (start < filled)
                {
                    var length = buffer.AsSpan(start, filled - start).IndexOf((byte)'\n');
                    if (length < 0 && read > 0) break;
                    if (length < 0) length = filled - start;
                    number++;
                    var line = buffer.AsSpan(start, length);
                    if (number == 1 && line.StartsWith("\uFEFF"u8)) line = line[3..];
                    if (line.ContainsAnyExcept(" \t\r"u8)) lines.Add((number, line.ToArray()));
                    start += length + 1;
                    if (lines.Count < batchSize) continue;
                    batch(lines);
                    lines.Clear();
                }

                if (read == 0) break;
                start = Math.Min(start, filled);
                Buffer.BlockCopy(buffer, start, buffer, 0, filled - start);
                filled -= start;
            }

            if (lines.Count > 0) batch(lines);
            return Convert.ToHexStringLower(hash.GetHashAndReset());
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new PeftException($"{path}: cannot be read: {error.Message}", error);
        }
    }
}
