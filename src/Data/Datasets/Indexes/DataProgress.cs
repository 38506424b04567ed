namespace Peft.Orleans.Data.Datasets.Indexes;

/// <summary>How far a pass over data files is.</summary>
/// <param name="Path">The file that is being read.</param>
/// <param name="Read">Bytes read, of all files.</param>
/// <param name="Total">Bytes there are, of all files.</param>
public readonly record struct DataProgress(string Path, long Read, long Total);

/// <summary>Adds up what files report of their bytes.</summary>
/// <param name="total">Bytes there are.</param>
/// <param name="told">Who is told.</param>
internal sealed class ProgressSum(long total, IProgress<DataProgress>? told) : IProgress<long>
{
    private string path = "";
    private long read;

    /// <summary>A file begins.</summary>
    public void Begin(string name) => path = name;

    public void Report(long value) => told?.Report(new DataProgress(path, read += value, total));
}
