using System.Diagnostics;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Grains.Terms;

/// <summary>The steps committed in a term: their lines, their pace, and how long it took until the first.</summary>
internal sealed class Commits(TermContext term, RunJournals journals, TermTimes times)
{
    private const int Window = 20;

    private readonly Queue<StepRecord> window = [];

    /// <summary>Whether a step was committed in this term.</summary>
    internal bool Any { get; private set; }

    /// <summary>Input tokens per second over the last steps.</summary>
    internal double TokensPerSecond =>
        window.Count == 0 ? 0 : window.Sum(static step => (double)step.Tokens) / window.Sum(static step => step.Seconds);

    /// <summary>Takes a version's record; its line is written, unless it waits for the validation loss.</summary>
    /// <exception cref="PeftException">The step was made before and had another loss.</exception>
    internal async Task Take(StepRecord record, bool validated)
    {
        journals.Take(record);
        window.Enqueue(record);
        if (window.Count > Window) window.Dequeue();
        term.Figures.Training.Committed(record);
        if (!validated) await journals.Flush();
        if (record.Step <= journals.Target) return;
        term.Figures.Progress.Committed();
        if (Any) return;
        Any = true;
        UnderWay(record.Step);
    }

    /// <summary>Writes that the run is under way: once its silos are gone, its folder is all there is to ask.</summary>
    internal Task TellUnderWay() => journals.Status();

    /// <summary>The first step of this term is committed: what came between is the pause that a loss, or a join, has cost.</summary>
    private void UnderWay(int step)
    {
        var phases = times.UpTo(Stopwatch.GetTimestamp());
        var what = term.Recovering ? RunEvents.Recovered : term.Term.Counter == 1 ? RunEvents.Started : RunEvents.Continued;
        journals.Event(what, new { step, seconds = phases });
        if (term.Recovering) term.Figures.Elastic.Recovered(phases);
    }
}
