using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Files;

namespace Peft.Orleans.Client.Runs;

/// <summary>What a run's folder tells, whether or not a silo works in it. An empty name: the folder is on another machine.</summary>
internal static class RunFolderReader
{
    /// <summary>The last status the run wrote; null before its first.</summary>
    public static RunStatus? Status(string folder)
    {
        var files = new RunFolder(folder);
        try
        {
            return files.ReadStatus();
        }
        catch (JsonException error)
        {
            throw new PeftException(
                $"{files.Status}: damaged ({JsonText.Reason(error)}); delete it: metrics and snapshots are kept, and peft-client "
                    + "resume writes it anew",
                error
            );
        }
    }

    /// <summary>When the last status was written (UTC); null before the first.</summary>
    public static DateTime? StatusTime(string folder)
    {
        var file = new FileInfo(new RunFolder(folder).Status);
        return file.Exists ? file.LastWriteTimeUtc : null;
    }

    /// <summary>State in a word; <c>interrupted</c> when the status says it runs but no silo lives.</summary>
    public static string StateOf(RunStatus? status, bool alive) => status?.State switch
    {
        RunState.Completed => "completed",
        RunState.Failed => "failed",
        RunState.Stopped when !alive => "stopped",
        _ when !alive => status is null ? "not started" : "interrupted",
        null => "starting",
        { } state => state.ToString().ToLowerInvariant(),
    };

    /// <summary>Silos of the run's local cluster that live.</summary>
    public static IReadOnlyList<SiloRegistration> LivingSilos(string folder) => folder.Length == 0 ? [] :
        [.. SiloRegistration.ReadAll(new RunFolder(folder).Cluster).Where(IsAlive)];

    /// <summary>Whether a silo lives, or a client is about to start some.</summary>
    public static bool IsActive(string folder) => LivingSilos(folder).Count > 0 || RunLock.IsHeld(folder);

    /// <summary>Whether the process that wrote a registration lives.</summary>
    public static bool IsAlive(SiloRegistration silo) => Processes.IsAlive(silo.Pid);

    /// <summary>Complete lines of metrics.jsonl.</summary>
    public static IReadOnlyList<string> MetricsLines(string folder) =>
        folder.Length == 0 ? [] : Lines(new RunFolder(folder).Metrics, RunLines.IsMetrics);

    /// <summary>Complete lines of events.jsonl.</summary>
    public static IReadOnlyList<string> Events(string folder) =>
        folder.Length == 0 ? [] : Lines(new RunFolder(folder).Events, RunLines.IsEvent);

    /// <summary>The committed steps, in the order of their lines.</summary>
    public static IEnumerable<StepRecord> Steps(string folder) => StepLines.ReadAll(MetricsLines(folder));

    /// <summary>Step of a metrics line; 0 where it is none.</summary>
    public static int StepOf(string line) => StepLines.Read(line)?.Step ?? 0;

    private static string[] Lines(string path, Func<string, bool> whole)
    {
        if (!File.Exists(path)) return [];
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var reader = new StreamReader(stream);
        // What follows the last line feed is being written.
        return [.. reader.ReadToEnd().Split('\n')[..^1].Where(whole)];
    }
}
