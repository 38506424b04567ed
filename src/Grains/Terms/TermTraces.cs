using System.Diagnostics;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Grains.Figures;

namespace Peft.Orleans.Grains.Terms;

/// <summary>
/// The spans of a term's effects: those of a step lie in a trace of its own, which links to the term; the others within the term.
/// </summary>
internal sealed class TermTraces(TermContext term) : IDisposable
{
    private readonly Dictionary<int, Activity?> steps = [];

    /// <summary>An effect begins: its span, which is the current one from here on, or null where there is none to be made.</summary>
    internal Activity? Begin(CoordinatorEffect effect)
    {
        if (!Traces.Source.HasListeners()) return null;
        return effect switch
        {
            CoordinatorEffect.SendFence fence => Traces.Begin("fence", ("silo", fence.Silo)),
            CoordinatorEffect.MakePlan => Traces.Begin("plan"),
            CoordinatorEffect.SendStart start => Traces.Begin("start", ("silo", start.Silo)),
            CoordinatorEffect.Initialize => Traces.Begin("initialize"),
            CoordinatorEffect.ComputeGradients compute => OfStep(compute.Step, "gradients", null),
            CoordinatorEffect.SendReduce reduce => OfStep(reduce.Step, "reduce", reduce.Silo),
            CoordinatorEffect.SendPrepare prepare => OfStep(prepare.Step, "prepare", prepare.Silo),
            CoordinatorEffect.SendApply apply => OfStep(apply.Step, "apply", apply.Silo),
            CoordinatorEffect.SendProtect { Version: > 0 } protect => OfStep(protect.Version, "protect", protect.Silo),
            CoordinatorEffect.Report { Step: > 0 } report => OfStep(report.Step, "report", null),
            _ => null,
        };
    }

    /// <summary>An effect was carried out; a step ends when it is reported.</summary>
    internal void Done(CoordinatorEffect effect)
    {
        if (effect is CoordinatorEffect.Report report && steps.Remove(report.Step, out var step)) step?.Dispose();
    }

    public void Dispose()
    {
        foreach (var step in steps.Values) step?.Dispose();
    }

    private Activity? OfStep(int step, string phase, string? silo)
    {
        if (!steps.TryGetValue(step, out var whole)) steps[step] = whole = NewStep(step);
        // What a phase calls belongs to its step, and is left out with a step that is not sampled.
        Activity.Current = whole;
        if (whole is not { Recorded: true }) return null;
        return silo is null ? Traces.Begin(phase) : Traces.Begin(phase, ("silo", silo));
    }

    private Activity? NewStep(int step)
    {
        var within = Activity.Current;
        // A trace of its own: a run's would have no end.
        Activity.Current = null;
        var links = within is null ? null : new ActivityLink[] { new(within.Context) };
        var made = Traces.Source.StartActivity(ActivityKind.Internal, default(ActivityContext), name: Traces.Step, links: links);
        made?.SetTag("peft.run", term.RunId).SetTag("peft.term", term.Term.Counter).SetTag("peft.step", step);
        Activity.Current = within;
        return made;
    }
}
