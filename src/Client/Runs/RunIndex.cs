using System.Text;
using System.Text.Json;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Client.Runs;

/// <summary>A run this user has started.</summary>
/// <param name="Id">Run id.</param>
/// <param name="Folder">Its folder.</param>
/// <param name="Cluster">Address of the cluster it was given to; null: a local one.</param>
/// <param name="Created">When.</param>
internal sealed record IndexedRun(string Id, string Folder, string? Cluster, DateTimeOffset Created)
{
    /// <summary>What lies in the folder.</summary>
    internal RunFolder Files { get; } = new(Folder);
}

/// <summary>
/// The runs of this user: <c>runs.jsonl</c> in PEFT_HOME, else in XDG_DATA_HOME/peft-orleans, else in ~/.local/share/peft-orleans.
/// </summary>
/// <param name="folder">Where it lies.</param>
/// <param name="origin">What named the folder, for errors.</param>
internal sealed class RunIndex(string folder, string origin = "the run index")
{
    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web);

    private readonly string path = System.IO.Path.Combine(folder, "runs.jsonl");

    /// <summary>The index of the user.</summary>
    public static RunIndex OfUser()
    {
        if (Environment.GetEnvironmentVariable("PEFT_HOME") is { Length: > 0 } home) return new RunIndex(home, "PEFT_HOME");
        if (Environment.GetEnvironmentVariable("XDG_DATA_HOME") is { Length: > 0 } data)
            return new RunIndex(System.IO.Path.Combine(data, "peft-orleans"), "XDG_DATA_HOME");
        var profile = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        return new RunIndex(System.IO.Path.Combine(profile, ".local", "share", "peft-orleans"), "the run index in your home folder");
    }

    /// <summary>
    /// Refuses a place where no index is and none can be: an index that has just not been written yet is empty, one that cannot be reached
    /// is not.
    /// </summary>
    /// <exception cref="ClientException">Its folder is not there and cannot be made.</exception>
    public void RequireUsable() => Reach(() =>
    {
        if (!Directory.Exists(folder)) WritableFolder.Require(System.IO.Path.GetFullPath(folder));
        return true;
    });

    /// <summary>Refuses an index that could not be written once the run is under way.</summary>
    /// <exception cref="ClientException">It cannot be written.</exception>
    public void RequireWritable() => Reach(() =>
    {
        using var file = Open();
        return true;
    });

    /// <summary>
    /// Notes a run; one write at the end, so that clients do not disturb each other. Half a line that a killed client left is ended first.
    /// </summary>
    /// <exception cref="ClientException">It cannot be written.</exception>
    public void Add(IndexedRun run) => Reach(() =>
    {
        using var file = Open();
        var line = JsonSerializer.Serialize(run, Options) + "\n";
        if (file.Length > 0)
        {
            file.Position = file.Length - 1;
            if (file.ReadByte() != '\n') line = "\n" + line;
        }

        file.Position = file.Length;
        file.Write(Encoding.UTF8.GetBytes(line));
        return true;
    });

    /// <summary>All runs, newest first, each once; malformed lines are passed over.</summary>
    /// <exception cref="ClientException">It cannot be read.</exception>
    public IReadOnlyList<IndexedRun> All() => Reach(() =>
    {
        var runs = new List<IndexedRun>();
        if (Directory.Exists(path)) throw new IOException("it is a folder");
        if (!File.Exists(path)) return runs;
        foreach (var line in File.ReadLines(path).Reverse())
        {
            if (Parse(line) is { } run && runs.TrueForAll(known => known.Folder != run.Folder)) runs.Add(run);
        }

        return runs;
    });

    /// <summary>As <see cref="Find"/>, and its folder is there.</summary>
    /// <exception cref="ClientException">None, several, or its folder was deleted.</exception>
    public IndexedRun FindPresent(string run)
    {
        var found = Find(run);
        return found.Cluster is not null || Directory.Exists(found.Folder)
            ? found
            : throw new ClientException(
                ExitCodes.NotFound,
                $"run {found.Id}: its folder {found.Folder} is gone, and with it all that was known of the run");
    }

    /// <summary>The run that a folder, an id or the beginning of an id names.</summary>
    /// <exception cref="ClientException">None, or several.</exception>
    public IndexedRun Find(string run)
    {
        var asFolder = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(run));
        if (File.Exists(new RunFolder(asFolder).RunFile))
        {
            var known = All().FirstOrDefault(item => item.Folder == asFolder);
            return known ?? new IndexedRun(System.IO.Path.GetFileName(asFolder), asFolder, null, Directory.GetCreationTimeUtc(asFolder));
        }

        var all = All();
        if (all.FirstOrDefault(item => item.Id == run) is { } exact) return exact;
        var matches = all.Where(item => item.Id.StartsWith(run, StringComparison.Ordinal)).ToArray();
        return matches.Length switch
        {
            1 => matches[0],
            0 => throw new ClientException(
                ExitCodes.NotFound,
                $"no run {run}: neither a run folder (with {RunFolder.RunFileName}) nor an id of peft-client get runs"
            ),
            _ => throw new ClientException(
                ExitCodes.NotFound,
                $"{run} is the beginning of several ids: {string.Join(", ", matches.Take(5).Select(static item => item.Id))}; write "
                    + "more of it"
            ),
        };
    }

    private static IndexedRun? Parse(string line)
    {
        try
        {
            return JsonSerializer.Deserialize<IndexedRun>(line, Options) is { Id: not null, Folder: not null } run ? run : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private FileStream Open()
    {
        Directory.CreateDirectory(folder);
        return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite);
    }

    private T Reach<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ClientException(
                ExitCodes.Refused, $"{origin}: {path} cannot be used: {error.Message}; set PEFT_HOME to a folder you can write", error);
        }
    }
}
