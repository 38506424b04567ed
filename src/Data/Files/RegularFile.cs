using System.Runtime.InteropServices;
using Peft.Orleans.Core;

namespace Peft.Orleans.Data.Files;

/// <summary>
/// Whether a path is a file that can be read again and again. Opening a pipe waits until somebody writes into it, for ever if nobody does;
/// a device may have no end.
/// </summary>
internal static partial class RegularFile
{
    // linux/stat.h: the relative path's folder, the mask of what is asked for, and where the mode lies in the answer of 256 bytes.
    private const int Here = -100, TypeMask = 1, ModeOffset = 28, AnswerBytes = 256;

    /// <summary>Refuses what is no file.</summary>
    /// <param name="path">A path at which something lies.</param>
    /// <exception cref="PeftException">A pipe, a device or a socket lies there; names it.</exception>
    public static void Require(string path)
    {
        if (OtherKind(path) is { } kind)
            throw new PeftException($"{path}: not a regular file but {kind}; write what it gives into a file, and name that");
    }

    /// <summary>What lies there if it is no file: a pipe, a device, a socket; null: a file, a folder, or nothing.</summary>
    public static string? OtherKind(string path)
    {
        Span<byte> answer = stackalloc byte[AnswerBytes];
        try
        {
            if (Status(Here, path, flags: 0, TypeMask, answer) != 0) return null;
        }
        catch (EntryPointNotFoundException)
        {
            // Of another system: what is opened there waits.
            return null;
        }

        return (MemoryMarshal.Read<ushort>(answer[ModeOffset..]) & 0xF000) switch
        {
            0x1000 => "a pipe",
            0x2000 or 0x6000 => "a device",
            0xC000 => "a socket",
            _ => null,
        };
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Status(int folder, string path, int flags, uint mask, Span<byte> answer);
}
