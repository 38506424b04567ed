using System.Diagnostics;
using Peft.Orleans.Grains.Figures;

namespace Peft.Orleans.Grains.Terms;

/// <summary>Where the time of a step goes: laps from its beginning to its end, without a gap.</summary>
internal sealed class StepClock(TrainingInstruments figures)
{
    private long at;
    private TimeSpan passes;
    private double forward, backward;
    private int silos;

    /// <summary>A step begins.</summary>
    internal void Begin()
    {
        at = Stopwatch.GetTimestamp();
        (passes, forward, backward, silos) = (TimeSpan.Zero, 0, 0, 0);
    }

    /// <summary>What was done since the last lap.</summary>
    internal void Lap(string phase) => figures.Phase(phase, Since().TotalSeconds);

    /// <summary>All passes have come back.</summary>
    internal void Passed() => passes = Since();

    /// <summary>What a silo computed in them, seconds; nothing where it stands by.</summary>
    internal void Computed(double forwardSeconds, double backwardSeconds)
    {
        if (forwardSeconds + backwardSeconds <= 0) return;
        forward += forwardSeconds;
        backward += backwardSeconds;
        silos++;
    }

    /// <summary>Parts the passes' time, once all silos have said what they computed.</summary>
    internal void Part()
    {
        var (ahead, back) = silos == 0 ? (0, 0) : (forward / silos, backward / silos);
        figures.Phase("forward", ahead);
        figures.Phase("backward", back);
        // A silo whose device was busy with its own work for longer than the passes took: no time is left over.
        figures.Phase("wait", Math.Max(0, passes.TotalSeconds - ahead - back));
    }

    private TimeSpan Since()
    {
        var (before, now) = (at, Stopwatch.GetTimestamp());
        at = now;
        return Stopwatch.GetElapsedTime(before, now);
    }
}
