using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Data.Datasets.Files;

namespace Peft.Orleans.Grains.Storage;

/// <summary>Storage that every silo of the cluster sees.</summary>
/// <param name="Folder">The cluster's folder; empty: there is none.</param>
internal sealed record ClusterStorage(string Folder);

/// <summary>
/// Writes an uploaded data set, or a folder of uploaded files, below the cluster's folder, under a temporary name until its hash is
/// right.
/// </summary>
internal sealed class DataUploadGrain(ClusterStorage storage) : Grain, IDataUploadGrain
{
    private string sha256 = "";

    private string Target => PathOf(sha256);

    private string Folder => Path.Combine(Uploads, sha256);

    private string Uploads => storage.Folder.Length > 0
        ? Path.Combine(storage.Folder, ClusterFolder.Uploads)
        : throw new PeftException(
            "the silos do not see this client's files, and share no folder for uploads; write paths that the silos see, or start each "
            + "with --cluster-folder FOLDER on storage that all of them see");

    private string Partial => Target + ".partial";

    /// <inheritdoc/>
    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        sha256 = this.GetPrimaryKeyString();
        // The key becomes a file name.
        if (sha256.Length != 64 || !sha256.All(static c => c is >= '0' and <= '9' or >= 'a' and <= 'f'))
            throw new PeftException($"{sha256} is no sha256 in 64 lower-case hexadecimal digits");
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task<DataLocation> Find(string path)
    {
        var here = File.Exists(path);
        if (here && await Task.Run(() => FileHash.Of(path)) == sha256) return new DataLocation(path, 0, Differs: false);
        if (File.Exists(Target)) return new DataLocation(Target, 0, here);
        return new DataLocation(null, File.Exists(Partial) ? new FileInfo(Partial).Length : 0, here);
    }

    /// <inheritdoc/>
    public async Task Append(long offset, byte[] chunk)
    {
        if (File.Exists(Target)) return;
        if (chunk.Length > DataLocation.LargestChunk)
            throw new PeftException($"an upload's chunk has {chunk.Length} bytes; at most {DataLocation.LargestChunk} are taken");
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Target)!);
            await using var file = new FileStream(Partial, FileMode.OpenOrCreate, FileAccess.Write);
            if (offset < 0 || offset > file.Length)
                throw new PeftException(
                    $"upload {sha256}: {file.Length} bytes are here, but the chunk begins at {offset}; start the upload again"
                );
            file.Position = offset;
            await file.WriteAsync(chunk);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new PeftException($"{Partial} cannot be written: {error.Message}; make room for uploads in the cluster's folder", error);
        }
    }

    /// <inheritdoc/>
    public async Task<string> Commit()
    {
        if (File.Exists(Target)) return Target;
        if (!File.Exists(Partial)) throw new PeftException($"upload {sha256}: nothing was sent");
        var found = await Task.Run(() => FileHash.Of(Partial));
        if (found != sha256)
        {
            File.Delete(Partial);
            throw new PeftException(
                $"upload {sha256}: what arrived has sha256 {found}; was the file changed meanwhile? Start the run again"
            );
        }

        File.Move(Partial, Target);
        return Target;
    }

    /// <inheritdoc/>
    public async Task<DataLocation> FindFolder(string path, UploadedFile[] files)
    {
        var here = Directory.Exists(path);
        if (here && await Task.Run(() => files.All(file => IsHere(Path.Combine(path, file.Name), file.Sha256))))
            return new DataLocation(path, 0, Differs: false);
        return new DataLocation(Directory.Exists(Folder) ? Folder : null, 0, here);
    }

    /// <inheritdoc/>
    public async Task<DataLocation> FindFiles(string path, UploadedFile[] files)
    {
        var here = DataFiles.Find(path);
        var same = here.Select(Path.GetFileName).SequenceEqual(files.Select(static file => file.Name));
        if (same && await Task.Run(() => files.Zip(here).All(static pair => IsHere(pair.Second, pair.First.Sha256))))
            return new DataLocation(path, 0, Differs: false);
        return new DataLocation(Directory.Exists(Folder) ? Folder : null, 0, here.Count > 0);
    }

    /// <inheritdoc/>
    public async Task<string> CommitFolder(UploadedFile[] files)
    {
        if (Directory.Exists(Folder)) return Folder;
        if (UploadedFile.KeyOf(files) != sha256)
            throw new PeftException($"upload {sha256}: its files have another key; start the upload again");
        if (files.FirstOrDefault(static file => file.Name != Path.GetFileName(file.Name) || file.Name is "" or "." or "..") is { } strange)
            throw new PeftException($"upload {sha256}: {strange.Name} is no name of a file");
        var partial = Folder + ".partial";
        await Task.Run(() =>
        {
            Directory.CreateDirectory(partial);
            foreach (var file in files)
            {
                var (sent, place) = (PathOf(file.Sha256), Path.Combine(partial, file.Name));
                // Two files may have one content; an earlier attempt may have moved some.
                var again = files.Last(other => other.Sha256 == file.Sha256) != file;
                if (File.Exists(sent) && again) File.Copy(sent, place, overwrite: true);
                else if (File.Exists(sent)) File.Move(sent, place, overwrite: true);
                else if (!IsHere(place, file.Sha256))
                    throw new PeftException($"upload {sha256}: {file.Name} was not sent; start the upload again");
            }

            Directory.Move(partial, Folder);
        });
        return Folder;
    }

    private static bool IsHere(string path, string sha256) => File.Exists(path) && FileHash.Of(path) == sha256;

    private string PathOf(string hash) => Path.Combine(Uploads, hash + ".jsonl");
}
