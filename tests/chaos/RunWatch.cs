using System.Text.Json;

namespace Peft.Orleans.Chaos;

/// <summary>A line of metrics.jsonl.</summary>
internal sealed record StepLine(int Step, int Term, double Loss);

/// <summary>A term as events.jsonl tells.</summary>
internal sealed record TermLine(int Counter, string[] Silos, int FromStep, int Replayed);

/// <summary>
/// Follows the files of a run while it goes on, and remembers what it has seen: a committed step must never vanish or change.
/// </summary>
internal sealed class RunWatch(string folder)
{
    private readonly string metrics = Path.Combine(folder, "metrics.jsonl");
    private readonly string events = Path.Combine(folder, "events.jsonl");
    private (long Length, DateTime Written) metricsRead;
    private (long Length, DateTime Written) eventsRead;

    /// <summary>Steps seen as committed, as they were first seen.</summary>
    internal SortedDictionary<int, StepLine> Seen { get; } = [];

    /// <summary>Steps that were seen and then not, or with another loss.</summary>
    internal SortedSet<int> Lost { get; } = [];

    internal IReadOnlyList<TermLine> Terms { get; private set; } = [];

    internal int LastStep => Seen.Count == 0 ? 0 : Seen.Keys.Last();

    /// <summary>Reads what is new; returns steps seen for the first time.</summary>
    internal IReadOnlyList<StepLine> Read()
    {
        if (Changed(events, ref eventsRead)) Terms = [.. Objects(events).Select(TermOf).OfType<TermLine>()];
        return Changed(metrics, ref metricsRead) ? Compare(Objects(metrics).Select(StepOf)) : [];
    }

    /// <summary>Complete lines of a file that are JSON.</summary>
    internal static IEnumerable<JsonElement> Objects(string path)
    {
        if (!File.Exists(path)) return [];
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var reader = new StreamReader(stream);
        // What follows the last line feed is being written.
        return
        [
            .. reader
                .ReadToEnd()
                .Split('\n')[..^1]
                .Where(static line => line.Length > 0)
                .Select(static line => JsonDocument.Parse(line).RootElement),
        ];
    }

    private List<StepLine> Compare(IEnumerable<StepLine> lines)
    {
        var now = new Dictionary<int, StepLine>();
        var fresh = new List<StepLine>();
        foreach (var line in lines)
        {
            now[line.Step] = line;
            if (Seen.TryAdd(line.Step, line)) fresh.Add(line);
        }

        foreach (var line in Seen.Values)
        {
            if (
                !now.TryGetValue(line.Step, out var there)
                || BitConverter.DoubleToInt64Bits(there.Loss) != BitConverter.DoubleToInt64Bits(line.Loss)
            )
                Lost.Add(line.Step);
        }

        return fresh;
    }

    private static bool Changed(string path, ref (long Length, DateTime Written) before)
    {
        var file = new FileInfo(path);
        var now = file.Exists ? (file.Length, file.LastWriteTimeUtc) : (0, default);
        if (now == before) return false;
        before = now;
        return true;
    }

    private static StepLine StepOf(JsonElement line) =>
        new(line.GetProperty("step").GetInt32(), line.GetProperty("term").GetInt32(), line.GetProperty("loss").GetDouble());

    private static TermLine? TermOf(JsonElement line)
    {
        if (line.GetProperty("event").GetString() != "term") return null;
        var details = line.GetProperty("details");
        return new TermLine(
            details.GetProperty("term").GetInt32(),
            [.. details.GetProperty("silos").EnumerateArray().Select(static silo => silo.GetString()!)],
            details.GetProperty("fromStep").GetInt32(),
            details.GetProperty("replayed").GetInt32());
    }
}
