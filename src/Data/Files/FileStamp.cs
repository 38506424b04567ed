using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Peft.Orleans.Data.Files;

/// <summary>What a file system says of a file: while it stays the same, the content is taken to be the same.</summary>
/// <param name="Size">Bytes.</param>
/// <param name="Modified">Time of the last write, in ticks, UTC.</param>
/// <param name="Inode">Number of the file; a file that was replaced has another. 0: not known.</param>
internal sealed record FileStamp(long Size, long Modified, long Inode)
{
    private static readonly ConcurrentDictionary<(string Path, FileStamp Stamp), string> Hashes = new();

    /// <summary>The stamp of a file; null: there is none.</summary>
    public static FileStamp? Of(string path)
    {
        // Of the file itself, where a cache has a link to it.
        var target = File.Exists(path) ? File.ResolveLinkTarget(path, returnFinalTarget: true) : null;
        var info = target as FileInfo ?? new FileInfo(path);
        return info.Exists ? new FileStamp(info.Length, info.LastWriteTimeUtc.Ticks, InodeOf(path)) : null;
    }

    /// <summary>sha256 of a file, hexadecimal; read once by a process while its stamp stays the same.</summary>
    public static string Sha256(string path)
    {
        // The stamp is taken first: a file that changes while it is read is read again at the next question.
        var key = (path, Of(path) ?? throw new FileNotFoundException(path));
        return Hashes.GetOrAdd(key, static key =>
        {
            using var stream = File.OpenRead(key.Path);
            return Convert.ToHexStringLower(SHA256.HashData(stream));
        });
    }

    /// <summary>Takes the sha256 of a file that was read whole while it had a stamp: it need not be read again for it.</summary>
    public static void Know(string path, FileStamp stamp, string sha256) => Hashes[(path, stamp)] = sha256;

    /// <summary>The kernel's struct statx has one layout on every machine: stx_ino is at byte 32.</summary>
    private static long InodeOf(string path)
    {
        const int AtWorkingFolder = -100, InodeMask = 0x100, Size = 256, InodeOffset = 32;
        Span<byte> result = stackalloc byte[Size];
        result.Clear();
        return Statx(AtWorkingFolder, path, 0, InodeMask, ref MemoryMarshal.GetReference(result)) == 0
            ? BinaryPrimitives.ReadInt64LittleEndian(result[InodeOffset..])
            : 0;
    }

    [DllImport("libc", EntryPoint = "statx", CharSet = CharSet.Ansi)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Statx(int folder, [MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags, uint mask, ref byte result);
}
