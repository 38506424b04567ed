using System.Globalization;
using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Grains.RunFiles;

/// <summary>The snapshots of a run: <c>snapshots/step-000050/</c> with one file per layer and a manifest that makes it valid.</summary>
internal sealed class SnapshotStore(RunFolder run)
{
    private const string ManifestName = "manifest.json";

    /// <summary>Folder of a step's snapshot.</summary>
    public string FolderOf(int step) => run.Snapshot(step);

    /// <summary>Folder into which silos write; unique to the writer until <see cref="Commit"/>.</summary>
    public string Begin(int step, string writer)
    {
        var folder = FolderOf(step) + "." + writer + ".tmp";
        Directory.CreateDirectory(folder);
        return folder;
    }

    /// <summary>
    /// Writes the manifest, makes the snapshot visible under its name, checks it, and prunes to the last <paramref name="keep"/>.
    /// </summary>
    public void Commit(int step, string folder, IReadOnlyDictionary<string, string> files, string runHash, StepRecord? record, int keep)
    {
        DirectorySync.Sync(folder);
        var manifest = new SnapshotManifest(
            step,
            runHash,
            record is null ? "" : StepLines.Whole(record),
            new SortedDictionary<string, string>(files.ToDictionary(), StringComparer.Ordinal)
        );
        var path = Path.Combine(folder, ManifestName);
        using (var stream = new FileStream(path, FileMode.Create))
        {
            JsonSerializer.Serialize(stream, manifest);
            stream.Flush(flushToDisk: true);
        }

        DirectorySync.Sync(folder);
        var target = FolderOf(step);
        if (Read(step) is not null)
        {
            // Another coordinator, since superseded, has written it: the bytes are the same.
            Directory.Delete(folder, recursive: true);
            return;
        }

        if (Directory.Exists(target)) Directory.Delete(target, recursive: true);
        Directory.Move(folder, target);
        DirectorySync.Sync(run.Snapshots);
        if (Read(step) is null) throw new IOException($"snapshot {target} does not read back as it was written");
        Prune(step, keep);
    }

    /// <summary>The manifest of a valid snapshot (every file there, every sha256 right), or null.</summary>
    public SnapshotManifest? Read(int step)
    {
        try
        {
            var folder = FolderOf(step);
            var path = Path.Combine(folder, ManifestName);
            if (!File.Exists(path)) return null;
            var manifest = JsonSerializer.Deserialize<SnapshotManifest>(File.ReadAllText(path));
            if (manifest is null || manifest.Step != step) return null;
            foreach (var (name, sha256) in manifest.Files)
            {
                var file = Path.Combine(folder, name);
                if (!File.Exists(file) || FileHash.Of(file) != sha256) return null;
            }

            return manifest;
        }
        catch (Exception error) when (error is IOException or JsonException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>The newest valid snapshot of this run file, or null.</summary>
    public SnapshotManifest? Newest(string runHash) =>
        Steps().OrderDescending().Select(Read).FirstOrDefault(manifest => manifest is not null && manifest.RunHash == runHash);

    /// <summary>Bytes of a snapshot's files; 0 where there is none.</summary>
    public long BytesOf(int step) => new DirectoryInfo(FolderOf(step)) is { Exists: true } folder
        ? folder.EnumerateFiles().Sum(static file => file.Length)
        : 0;

    /// <summary>Time since a snapshot was written; none where it is not there, or a clock was set.</summary>
    public TimeSpan AgeOf(int step)
    {
        var manifest = new FileInfo(Path.Combine(FolderOf(step), ManifestName));
        var age = manifest.Exists ? DateTime.UtcNow - manifest.LastWriteTimeUtc : TimeSpan.Zero;
        return age > TimeSpan.Zero ? age : TimeSpan.Zero;
    }

    private IEnumerable<int> Steps() => !Directory.Exists(run.Snapshots)
        ? []
        : Directory.EnumerateDirectories(run.Snapshots, "step-*")
            .Select(static folder => Path.GetFileName(folder)[5..])
            .Where(static name => name.All(char.IsAsciiDigit))
            .Select(static name => int.Parse(name, CultureInfo.InvariantCulture));

    private void Prune(int newest, int keep)
    {
        foreach (var old in Steps().Where(step => step <= newest).OrderDescending().Skip(Math.Max(1, keep)))
            Directory.Delete(FolderOf(old), recursive: true);
        foreach (var left in Directory.EnumerateDirectories(run.Snapshots, "*.tmp")) Directory.Delete(left, recursive: true);
    }
}

/// <summary>What makes a snapshot valid.</summary>
/// <param name="Step">Step.</param>
/// <param name="RunHash">Hash of the run file.</param>
/// <param name="Record">The step's record as it is written; empty for version 0.</param>
/// <param name="Files">Files with their sha256.</param>
internal sealed record SnapshotManifest(int Step, string RunHash, string Record, SortedDictionary<string, string> Files)
{
    /// <summary>The step's record; null for version 0.</summary>
    internal StepRecord? StepRecord => Record.Length == 0 ? null : StepLines.Read(Record);
}

/// <summary>Brings a folder's entries to the disk.</summary>
internal static class DirectorySync
{
    internal static void Sync(string folder)
    {
        var descriptor = open(folder, 0);
        if (descriptor < 0) return;
        _ = fsync(descriptor);
        _ = close(descriptor);
    }

    [System.Runtime.InteropServices.DllImport("libc")]
    private static extern int open(
        [System.Runtime.InteropServices.MarshalAs(System.Runtime.InteropServices.UnmanagedType.LPUTF8Str)] string path,
        int flags
    );

    [System.Runtime.InteropServices.DllImport("libc")]
    private static extern int fsync(int descriptor);

    [System.Runtime.InteropServices.DllImport("libc")]
    private static extern int close(int descriptor);
}
