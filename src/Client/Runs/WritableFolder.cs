using System.Text;

namespace Peft.Orleans.Client.Runs;

/// <summary>Whether files can be made in a folder, or in the one it would be made in; nothing is left there.</summary>
internal static class WritableFolder
{
    private const int LongestName = 255;

    /// <summary>Tries it.</summary>
    /// <param name="path">The folder, absolute; it need not exist.</param>
    /// <exception cref="IOException">It cannot be written, or a file is in its place.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    internal static void Require(string path)
    {
        if (path.Split('/').Any(static part => Encoding.UTF8.GetByteCount(part) > LongestName))
            throw new PathTooLongException($"a folder's name has at most {LongestName} bytes");
        var folder = path;
        while (!Path.Exists(folder)) folder = Path.GetDirectoryName(folder) ?? "/";
        if (!Directory.Exists(folder)) throw new IOException($"{folder} is a file");
        using var probe = new FileStream(
            Path.Combine(folder, ".peft-" + Path.GetRandomFileName()),
            FileMode.CreateNew,
            FileAccess.Write,
            FileShare.None,
            bufferSize: 1,
            FileOptions.DeleteOnClose
        );
    }
}
