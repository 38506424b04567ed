using System.Text;

namespace Peft.Orleans.Grains.RunFiles;

/// <summary>
/// Reads a journal that others write, each time what has come since. A new term puts a copy in the file's place, which may lack what the
/// writer before it wrote last: the line that was read last must still be where it was, else everything is read again.
/// </summary>
internal sealed class JournalTail(string path)
{
    private const int Block = 64 * 1024;

    /// <summary>A longer line is no journal's; it is passed over without being kept.</summary>
    private const int Longest = 1 << 20;

    private readonly MemoryStream line = new();
    private byte[] foot = [];
    private long offset;

    /// <summary>Reads the complete lines that have come.</summary>
    /// <param name="again">Called before everything is read again.</param>
    /// <param name="take">Called for each line.</param>
    public void Read(Action again, Action<string> take)
    {
        if (!File.Exists(path)) return;
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        if (!GoesOn(stream))
        {
            (offset, foot) = (0, []);
            again();
        }

        stream.Position = offset;
        line.SetLength(0);
        var block = new byte[Block];
        for (int count; (count = stream.Read(block)) > 0;) Lines(block.AsSpan(0, count), stream.Position - count, take);
    }

    private void Lines(ReadOnlySpan<byte> read, long begin, Action<string> take)
    {
        for (int end; (end = read.IndexOf((byte)'\n')) >= 0; read = read[(end + 1)..])
        {
            Keep(read[..end]);
            begin += end + 1;
            offset = begin;
            foot = line.Length <= Longest ? line.ToArray() : [];
            if (foot.Length > 0) take(Encoding.UTF8.GetString(foot));
            line.SetLength(0);
        }

        Keep(read);
    }

    private void Keep(ReadOnlySpan<byte> part)
    {
        if (line.Length <= Longest) line.Write(part);
    }

    private bool GoesOn(FileStream stream)
    {
        if (stream.Length < offset) return false;
        if (foot.Length == 0) return true;
        var there = new byte[foot.Length];
        stream.Position = offset - 1 - foot.Length;
        stream.ReadExactly(there);
        return there.AsSpan().SequenceEqual(foot);
    }
}
