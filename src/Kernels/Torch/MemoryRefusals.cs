using Microsoft.Win32.SafeHandles;

namespace Peft.Orleans.Kernels.Torch;

/// <summary>
/// How often the system has refused memory for a tensor. A processor's silo ends with the first refusal, so that they are counted in a
/// file, a byte each, which the silo's next life reads.
/// </summary>
public static class MemoryRefusals
{
    private static SafeFileHandle? file;
    private static long alone;

    /// <summary>Refusals so far.</summary>
    public static long Count => file is { } tally ? RandomAccess.GetLength(tally) : Interlocked.Read(ref alone);

    /// <summary>Counts in a file from now on, after what is in it.</summary>
    /// <param name="path">The file; its folder exists.</param>
    public static void CountIn(string path) =>
        file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite);

    /// <summary>Counts one. It asks for no memory: there may be none.</summary>
    public static void Note()
    {
        if (file is not { } tally)
        {
            Interlocked.Increment(ref alone);
            return;
        }

        try
        {
            RandomAccess.Write(tally, "x"u8, RandomAccess.GetLength(tally));
        }
        catch (IOException)
        {
            // A full disk: what is refused is told by the message anyway.
        }
    }
}
