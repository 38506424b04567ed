using Peft.Orleans.Data.Datasets.Files;

namespace Peft.Orleans.Data.Datasets;

/// <summary>Records of a file in batches, for work on several at once.</summary>
internal static class RecordBatches
{
    /// <summary>Calls back with batches of records; their texts are copies.</summary>
    /// <param name="file">The file.</param>
    /// <param name="records">Most records of a batch.</param>
    /// <param name="bytes">A batch ends once its texts have so many.</param>
    /// <param name="batch">Takes a batch.</param>
    /// <param name="progress">Told how many more bytes of the file were read.</param>
    /// <returns>sha256 of the file, in hexadecimal.</returns>
    public static string Read(
        RecordFile file,
        int records,
        int bytes,
        Action<IReadOnlyList<(int Number, ReadOnlyMemory<byte> Text)>> batch,
        IProgress<long>? progress = null
    )
    {
        var taken = new List<(int, ReadOnlyMemory<byte>)>(records);
        var size = 0L;
        var sha256 = file.Read(
            (number, _, text) =>
            {
                taken.Add((number, text.ToArray()));
                size += text.Length;
                if (taken.Count < records && size < bytes) return;
                batch(taken);
                taken.Clear();
                size = 0;
            },
            progress
        );
        if (taken.Count > 0) batch(taken);
        return sha256;
    }
}
