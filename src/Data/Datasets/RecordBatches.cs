using Peft.Orleans.Data.Datasets.Files;

namespace Peft.Orleans.Data.Datasets;

/// <summary>A record of a batch.</summary>
/// <param name="Number">Line, element or row, from 1.</param>
/// <param name="Offset">Where its text begins in the (unpacked) file.</param>
/// <param name="Start">Where it begins in the batch.</param>
/// <param name="Bytes">Its length.</param>
internal readonly record struct BatchedRecord(int Number, long Offset, int Start, int Bytes);

/// <summary>Records of a file, in copy.</summary>
internal sealed class BatchOfRecords
{
    private readonly List<BatchedRecord> records = [];
    private byte[] bytes = new byte[RecordBatches.Bytes];

    /// <summary>The records.</summary>
    public IReadOnlyList<BatchedRecord> Records => records;

    /// <summary>Bytes of their texts.</summary>
    public int Length { get; private set; }

    /// <summary>A record's text, JSON in UTF-8.</summary>
    public ReadOnlyMemory<byte> TextOf(BatchedRecord record) => bytes.AsMemory(record.Start, record.Bytes);

    /// <summary>Adds a record.</summary>
    public void Add(int number, long offset, ReadOnlySpan<byte> text)
    {
        if (Length + text.Length > bytes.Length) Array.Resize(ref bytes, Math.Max(Length + text.Length, bytes.Length * 2));
        text.CopyTo(bytes.AsSpan(Length));
        records.Add(new BatchedRecord(number, offset, Length, text.Length));
        Length += text.Length;
    }

    /// <summary>Makes room for others; one that had to grow for a long record is small again.</summary>
    public void Clear()
    {
        records.Clear();
        Length = 0;
        if (bytes.Length > 2 * RecordBatches.Bytes) bytes = new byte[RecordBatches.Bytes];
    }
}

/// <summary>Records of a file in batches, for work on several at once: while one is worked on the next is read.</summary>
internal static class RecordBatches
{
    /// <summary>A batch ends once its texts have so many bytes.</summary>
    public const int Bytes = 2 << 20;

    private const int Records = 1 << 14;

    /// <summary>Calls back with batches of records, one after the other, not on this thread.</summary>
    /// <param name="file">The file.</param>
    /// <param name="batch">Takes a batch, which is another's once it returns.</param>
    /// <param name="progress">Told how many more bytes of the file were read.</param>
    /// <returns>sha256 of the file, in hexadecimal, and bytes of its text as far as records reach.</returns>
    public static (string Sha256, long TextBytes) Read(RecordFile file, Action<BatchOfRecords> batch, IProgress<long>? progress = null)
    {
        var (filling, free) = (new BatchOfRecords(), new BatchOfRecords());
        var working = Task.CompletedTask;
        var end = 0L;
        string sha256;
        try
        {
            sha256 = file.Read(
                (number, offset, text) =>
                {
                    // Rows of Parquet have no place of their own: they lie one after the other, a line each.
                    var place = offset >= 0 ? offset : end;
                    filling.Add(number, place, text);
                    end = place + text.Length + (offset >= 0 ? 0 : 1);
                    if (filling.Length >= Bytes || filling.Records.Count >= Records) Hand();
                },
                progress);
        }
        finally
        {
            // Whatever else is wrong, what was found before comes first.
            working.GetAwaiter().GetResult();
        }

        batch(filling);
        return (sha256, end);

        void Hand()
        {
            working.GetAwaiter().GetResult();
            var full = filling;
            (filling, free) = (free, full);
            filling.Clear();
            working = Task.Run(() => batch(full));
        }
    }
}
