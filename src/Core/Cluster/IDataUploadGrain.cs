namespace Peft.Orleans.Core.Cluster;

/// <summary>
/// A data set on its way from a client to the cluster's storage; key: sha256 of its content, 64 lower-case hexadecimal digits. Chunks that
/// arrive twice, or from two clients, do no harm: equal keys are equal bytes.
/// </summary>
[Alias("Peft.Orleans.IDataUploadGrain")]
public interface IDataUploadGrain : IGrainWithStringKey
{
    /// <summary>Whether the cluster has the data already: under the client's own path, or uploaded.</summary>
    [Alias("Find"), ResponseTimeout("00:30:00")]
    Task<DataLocation> Find(string path);

    /// <summary>Takes the bytes from <paramref name="offset"/> on, at most <see cref="DataLocation.LargestChunk"/>; no gap may lie before them.</summary>
    [Alias("Append"), ResponseTimeout("00:05:00")]
    Task Append(long offset, byte[] chunk);

    /// <summary>All bytes were sent: checks the hash and returns the path for the run file.</summary>
    [Alias("Commit"), ResponseTimeout("00:30:00")]
    Task<string> Commit();
}

/// <summary>What the silos have of a data set.</summary>
/// <param name="Path">Path under which silos read it; null: they lack it.</param>
/// <param name="Received">Bytes of an upload that was interrupted; it goes on there.</param>
/// <param name="Differs">Whether silos see another content under the client's path.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.DataLocation")]
public sealed record DataLocation(string? Path, long Received, bool Differs)
{
    /// <summary>Largest chunk of an upload.</summary>
    public const int LargestChunk = 1 << 20;
}
