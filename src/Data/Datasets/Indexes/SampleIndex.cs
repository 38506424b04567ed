using System.Buffers.Binary;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Data.Files;

namespace Peft.Orleans.Data.Datasets.Indexes;

/// <summary>
/// Where a run's samples lie in its data files: made once, in one pass over them, and read where an entry is needed. An index that is torn,
/// of other settings or of files that have changed since is none. Safe to use from several threads.
/// </summary>
internal sealed class SampleIndex : IDisposable
{
    private const int BlockEntries = 1 << 14;

    private readonly FileStream file;
    private readonly string? place;
    private readonly int[] ends;

    /// <summary>An index that has just been written, or verified.</summary>
    /// <param name="file">Its file.</param>
    /// <param name="place">Where it lies; null: nowhere.</param>
    /// <param name="files">What it is of.</param>
    public SampleIndex(FileStream file, string? place, IReadOnlyList<IndexedFile> files)
    {
        (this.file, this.place) = (file, place);
        Files = files;
        ends = new int[files.Count];
        for (var i = 0; i < ends.Length; i++) ends[i] = First(i) + files[i].Samples;
    }

    /// <summary>The files, training data first.</summary>
    public IReadOnlyList<IndexedFile> Files { get; }

    /// <summary>Number of samples.</summary>
    public int Count => ends.Length == 0 ? 0 : ends[^1];

    /// <summary>The index of a run's folder; null: there is none that holds.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="key">Hash of the settings that it must be of.</param>
    /// <param name="data">The data files of each source, as they are named now.</param>
    public static SampleIndex? Open(string path, string key, IReadOnlyList<IReadOnlyList<string>> data)
    {
        if (!File.Exists(path)) return null;
        FileStream? file = null;
        try
        {
            file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, 1);
            if (Head(file) is { } head && head.Key == key && IsOf(head, data)) return new SampleIndex(file, path, head.Files);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException or OverflowException)
        {
            // What cannot be read is made again.
        }

        file?.Dispose();
        return null;
    }

    /// <summary>Takes the hashes of an index's files, while those have the stamps they had: they are not read again for it.</summary>
    public static void LearnHashes(string path)
    {
        if (!File.Exists(path)) return;
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, 1);
            foreach (var known in Head(file)?.Files ?? []) FileStamp.Know(known.Path, known.Stamp, known.Sha256);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException or OverflowException)
        {
            // Then they are read.
        }
    }

    /// <summary>Number of the first sample of a file.</summary>
    public int First(int index) => index == 0 ? 0 : ends[index - 1];

    /// <summary>The samples of a source: the first, and how many there are.</summary>
    public (int First, int Count) Of(int part)
    {
        var of = Files.Index().Where(item => item.Item.Part == part).ToArray();
        return of.Length == 0 ? (Count, 0) : (First(of[0].Index), of.Sum(static item => item.Item.Samples));
    }

    /// <summary>A sample's file.</summary>
    public int FileOf(int sample)
    {
        var found = Array.BinarySearch(ends, sample + 1);
        if (found < 0) return ~found;
        // Files without samples end where the one before them does.
        while (found > 0 && ends[found - 1] == ends[found]) found--;
        return found;
    }

    /// <summary>A sample's entry.</summary>
    public SampleEntry Entry(int sample)
    {
        var entry = default(SampleEntry);
        Read(MemoryMarshal.AsBytes(new Span<SampleEntry>(ref entry)), Place(sample));
        return entry;
    }

    /// <summary>Entries one after the other.</summary>
    public IEnumerable<SampleEntry> Entries(int first, int count)
    {
        var block = new SampleEntry[Math.Min(count, BlockEntries)];
        for (var done = 0; done < count; done += block.Length)
        {
            var read = Math.Min(block.Length, count - done);
            Read(MemoryMarshal.AsBytes(block.AsSpan(0, read)), Place(first + done));
            for (var i = 0; i < read; i++) yield return block[i];
        }
    }

    /// <summary>Leaves the index where a run looks for it.</summary>
    /// <exception cref="PeftException">It cannot be written.</exception>
    public void Save(string path)
    {
        if (place == path) return;
        var copy = Scratch.Create(path);
        try
        {
            var buffer = new byte[1 << 20];
            int read;
            for (long at = 0; (read = RandomAccess.Read(file.SafeFileHandle, buffer, at)) > 0; at += read) copy.Write(buffer, 0, read);
        }
        catch (IOException error)
        {
            Scratch.Abandon(copy, path);
            throw Scratch.Unwritable(path, error);
        }

        Scratch.Finish(copy, path).Dispose();
    }

    public void Dispose() => file.Dispose();

    private static long Place(int sample) => IndexWriter.Mark.Length + ((long)sample * SampleEntry.Size);

    private void Read(Span<byte> bytes, long at)
    {
        while (bytes.Length > 0)
        {
            var read = RandomAccess.Read(file.SafeFileHandle, bytes, at);
            if (read == 0) throw new PeftException($"{file.Name}: it has become shorter while the run reads it; resume the run");
            bytes = bytes[read..];
            at += read;
        }
    }

    /// <summary>What the index is of; null where it is torn or foreign.</summary>
    private static IndexHead? Head(FileStream file)
    {
        var least = IndexWriter.Mark.Length + sizeof(int) + IndexWriter.HashBytes;
        if (file.Length < least) return null;
        var hash = new XxHash128();
        var buffer = new byte[1 << 20];
        var end = file.Length - IndexWriter.HashBytes;
        for (var left = end; left > 0;)
        {
            var read = file.Read(buffer, 0, (int)Math.Min(buffer.Length, left));
            if (read == 0) return null;
            if (left == end && !buffer.AsSpan().StartsWith(IndexWriter.Mark)) return null;
            hash.Append(buffer.AsSpan(0, read));
            left -= read;
        }

        Span<byte> sum = stackalloc byte[IndexWriter.HashBytes];
        file.ReadExactly(sum);
        if (!hash.GetCurrentHash().AsSpan().SequenceEqual(sum)) return null;
        Span<byte> length = stackalloc byte[sizeof(int)];
        file.Position = end - sizeof(int);
        file.ReadExactly(length);
        var head = new byte[BinaryPrimitives.ReadInt32LittleEndian(length)];
        file.Position = end - sizeof(int) - head.Length;
        file.ReadExactly(head);
        return JsonSerializer.Deserialize<IndexHead>(head, IndexHead.Options);
    }

    private static bool IsOf(IndexHead head, IReadOnlyList<IReadOnlyList<string>> data) =>
        data.SelectMany(static (files, part) => files.Select(file => (part, file)))
            .SequenceEqual(head.Files.Select(static file => (file.Part, file.Path)))
        && head.Files.All(static file => FileStamp.Of(file.Path) == file.Stamp);
}
