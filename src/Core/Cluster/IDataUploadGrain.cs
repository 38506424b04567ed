using System.Security.Cryptography;
using System.Text;
using Peft.Orleans.Core.Security;

namespace Peft.Orleans.Core.Cluster;

/// <summary>
/// A data set, or a folder of files, on its way from a client to the cluster's storage; key: sha256 of its content, 64 lower-case
/// hexadecimal digits. Chunks that arrive twice, or from two clients, do no harm: equal keys are equal bytes.
/// </summary>
[Alias("Peft.Orleans.IDataUploadGrain")]
public interface IDataUploadGrain : IGrainWithStringKey
{
    /// <summary>Whether the cluster has the data already: under the client's own path, or uploaded.</summary>
    [AllowedTo(Role.Operator), Alias("Find"), ResponseTimeout("00:30:00")]
    Task<DataLocation> Find(string path);

    /// <summary>
    /// Takes the bytes from <paramref name="offset"/> on, at most <see cref="DataLocation.LargestChunk"/>; no gap may lie before them.
    /// </summary>
    [AllowedTo(Role.Operator), Alias("Append"), ResponseTimeout("00:05:00")]
    Task Append(long offset, byte[] chunk);

    /// <summary>All bytes were sent: checks the hash and returns the path for the run file.</summary>
    [AllowedTo(Role.Operator), Alias("Commit"), ResponseTimeout("00:30:00")]
    Task<string> Commit();

    /// <summary>As <see cref="Find"/> for a folder, whose key is <see cref="UploadedFile.KeyOf"/> its files.</summary>
    [AllowedTo(Role.Operator), Alias("FindFolder"), ResponseTimeout("00:30:00")]
    Task<DataLocation> FindFolder(string path, UploadedFile[] files);

    /// <summary>
    /// As <see cref="FindFolder"/> for the data files that a path stands for, a folder or a glob: there are those, in this order, and no
    /// others.
    /// </summary>
    [AllowedTo(Role.Operator), Alias("FindFiles"), ResponseTimeout("00:30:00")]
    Task<DataLocation> FindFiles(string path, UploadedFile[] files);

    /// <summary>All files of a folder were uploaded, each under its own key: puts them together and returns the folder's path.</summary>
    [AllowedTo(Role.Operator), Alias("CommitFolder"), ResponseTimeout("00:30:00")]
    Task<string> CommitFolder(UploadedFile[] files);
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

/// <summary>A file of an uploaded folder.</summary>
/// <param name="Name">Its name in the folder.</param>
/// <param name="Sha256">Hash of its content, and key of its own upload.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.UploadedFile")]
public sealed record UploadedFile(string Name, string Sha256)
{
    /// <summary>Key of a folder with these files.</summary>
    public static string KeyOf(IEnumerable<UploadedFile> files) =>
        Convert.ToHexStringLower(
            SHA256.HashData(
                Encoding.UTF8.GetBytes(
                    string.Concat(
                        files
                            .OrderBy(static file => file.Name, StringComparer.Ordinal)
                            .Select(static file => $"{file.Sha256}  {file.Name}\n")
                    )
                )
            )
        );
}
