using System.Diagnostics;
using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Grains.Terms;

/// <summary>Where the time of a recovery goes: when a term entered each of its phases.</summary>
internal sealed class TermTimes
{
    private readonly List<(string Phase, long At)> entered = [("open", Stopwatch.GetTimestamp())];

    /// <summary>Notes an effect; the first of its kind begins a phase.</summary>
    internal void Note(CoordinatorEffect effect)
    {
        var phase = effect switch
        {
            CoordinatorEffect.SendFence => "fence",
            CoordinatorEffect.MakePlan => "plan",
            CoordinatorEffect.SendStart => "seat",
            CoordinatorEffect.SendProtect or CoordinatorEffect.Initialize => "protect",
            CoordinatorEffect.ComputeGradients => "step",
            _ => null,
        };
        if (phase is not null && !entered.Exists(entry => entry.Phase == phase)) entered.Add((phase, Stopwatch.GetTimestamp()));
    }

    /// <summary>Seconds of each phase, the last one up to <paramref name="now"/>.</summary>
    internal Dictionary<string, double> UpTo(long now)
    {
        var seconds = new Dictionary<string, double>();
        for (var i = 0; i < entered.Count; i++)
            seconds[entered[i].Phase] = Math.Round(
                Stopwatch.GetElapsedTime(entered[i].At, i + 1 < entered.Count ? entered[i + 1].At : now).TotalSeconds,
                3
            );
        return seconds;
    }
}
