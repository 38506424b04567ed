using System.Text.Json;

namespace Peft.Orleans.Client.Runs;

/// <summary>A run this user has started.</summary>
/// <param name="Id">Run id.</param>
/// <param name="Folder">Its folder.</param>
/// <param name="Cluster">Address of the cluster it was given to; null: a local one.</param>
/// <param name="Created">When.</param>
public sealed record IndexedRun(string Id, string Folder, string? Cluster, DateTimeOffset Created);

/// <summary>The runs of this user: <c>runs.jsonl</c> in PEFT_HOME, else in XDG_DATA_HOME/peft-orleans, else in ~/.local/share/peft-orleans.</summary>
public sealed class RunIndex(string folder)
{
    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web);

    private readonly string _path = System.IO.Path.Combine(folder, "runs.jsonl");

    /// <summary>The index of the user.</summary>
    public static RunIndex OfUser()
    {
        if (Environment.GetEnvironmentVariable("PEFT_HOME") is { Length: > 0 } home) return new RunIndex(home);
        var data = Environment.GetEnvironmentVariable("XDG_DATA_HOME") is { Length: > 0 } xdg
            ? xdg
            : System.IO.Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".local", "share");
        return new RunIndex(System.IO.Path.Combine(data, "peft-orleans"));
    }

    /// <summary>Notes a run; one append, so that clients do not disturb each other.</summary>
    public void Add(IndexedRun run)
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(_path)!);
        File.AppendAllText(_path, JsonSerializer.Serialize(run, Options) + "\n");
    }

    /// <summary>All runs, newest first, each once; malformed lines are passed over.</summary>
    public IReadOnlyList<IndexedRun> All()
    {
        if (!File.Exists(_path)) return [];
        var runs = new List<IndexedRun>();
        foreach (var line in File.ReadLines(_path).Reverse())
        {
            if (Parse(line) is { } run && runs.All(known => known.Folder != run.Folder)) runs.Add(run);
        }

        return runs;
    }

    /// <summary>The run that a folder, an id or the beginning of an id names.</summary>
    /// <exception cref="ClientException">None, or several.</exception>
    public IndexedRun Find(string run)
    {
        var asFolder = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(run));
        if (File.Exists(System.IO.Path.Combine(asFolder, RunFiles.RunYaml)))
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
            0 => throw new ClientException(ExitCodes.NotFound, $"no run {run}: neither a run folder (with {RunFiles.RunYaml}) nor an id of peft-client get runs"),
            _ => throw new ClientException(ExitCodes.NotFound, $"{run} is the beginning of several ids: {string.Join(", ", matches.Take(5).Select(static item => item.Id))}; write more of it"),
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
}
