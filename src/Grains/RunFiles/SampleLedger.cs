using System.IO.Hashing;
using System.Runtime.InteropServices;
using Peft.Orleans.Core.Metrics;

namespace Peft.Orleans.Grains.RunFiles;

/// <summary>
/// Which microbatches each committed step has had, by samples.jsonl: what finds samples that are dropped or repeated. A step is remembered
/// by a hash of its list, so that a long run costs a few bytes a step.
/// </summary>
internal sealed class SampleLedger
{
    private readonly Dictionary<int, (ulong Hash, int Count)> steps = [];

    /// <summary>Takes what the file has.</summary>
    internal SampleLedger(IEnumerable<StepRecord> lines)
    {
        foreach (var line in lines)
        {
            if (!steps.TryAdd(line.Step, (HashOf(line.Samples), line.Samples.Length))) Repeated += line.Samples.Length;
        }
    }

    /// <summary>Microbatches of steps that have more than one line.</summary>
    internal int Repeated { get; }

    /// <summary>Notes a step; false: it has its line already.</summary>
    internal bool Add(StepRecord record) => steps.TryAdd(record.Step, (HashOf(record.Samples), record.Samples.Length));

    /// <summary>Takes a note back: the line could not be written.</summary>
    internal void Remove(int step) => steps.Remove(step);

    /// <summary>Microbatches of committed steps that have no line.</summary>
    /// <param name="committed">The steps.</param>
    /// <param name="microbatches">Microbatches of a step.</param>
    internal int Dropped(IEnumerable<int> committed, int microbatches) =>
        committed.Count(step => !steps.ContainsKey(step)) * microbatches;

    /// <summary>Whether a step that is made again has the microbatches it had; true where it was not made before.</summary>
    internal bool Agrees(StepRecord again) =>
        !steps.TryGetValue(again.Step, out var before) || before == (HashOf(again.Samples), again.Samples.Length);

    /// <summary>How two makings of a step differ.</summary>
    /// <param name="before">Microbatches of the first.</param>
    /// <param name="again">Those of the second.</param>
    internal static (int Dropped, int Repeated) Difference(IEnumerable<string> before, IEnumerable<string> again)
    {
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var sample in before) counts[sample] = counts.GetValueOrDefault(sample) + 1;
        foreach (var sample in again) counts[sample] = counts.GetValueOrDefault(sample) - 1;
        return (counts.Values.Where(static left => left > 0).Sum(), -counts.Values.Where(static left => left < 0).Sum());
    }

    private static ulong HashOf(string[] samples)
    {
        var hash = new XxHash64();
        foreach (var sample in samples)
        {
            hash.Append(MemoryMarshal.AsBytes(sample.AsSpan()));
            hash.Append("\n"u8);
        }

        return hash.GetCurrentHashAsUInt64();
    }
}
