using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;

namespace Peft.Orleans.Grains.Terms;

/// <summary>How a term ends; there is no other way, but for a coordinator that is deactivated, which is cancelled.</summary>
internal abstract record TermOutcome
{
    private TermOutcome()
    {
    }

    /// <summary>The last step is reported, or validation has not improved for as long as the run file allows.</summary>
    /// <param name="Step">The last step.</param>
    internal sealed record Finished(int Step) : TermOutcome;

    /// <summary>Silos have come and are ready: the next term begins from the step it ended at, and is no recovery.</summary>
    /// <param name="Step">Last reported step.</param>
    internal sealed record Replan(int Step) : TermOutcome;

    /// <summary>Stopped on demand.</summary>
    /// <param name="Step">Last reported step.</param>
    internal sealed record Stopped(int Step) : TermOutcome;

    /// <summary>A silo was lost, or refused, or something else went wrong that the next term may not meet.</summary>
    /// <param name="Error">What happened.</param>
    /// <param name="Progress">Whether a step was committed before, a silo is left out or evicted, or the next term is to find out whom to
    /// evict: then the retries begin anew.</param>
    internal sealed record Lost(Exception Error, bool Progress) : TermOutcome;

    /// <summary>Too few silos take seats: the run waits until others come.</summary>
    /// <param name="Silos">Silos that do.</param>
    internal sealed record Waiting(int Silos) : TermOutcome;

    /// <summary>An error that the user has to mend: no term would fare better.</summary>
    /// <param name="Error">What is wrong, where, and what to do.</param>
    internal sealed record Refused(PeftException Error) : TermOutcome;

    /// <summary>What an error makes of a term.</summary>
    internal static TermOutcome Of(Exception error, bool progress) => error switch
    {
        UnfitSiloException or FaultySiloException or SeatsDifferException => new Lost(error, Progress: true),
        TooFewSilosException few => new Waiting(few.Silos),
        PeftException refused => new Refused(refused),
        _ => new Lost(error, progress),
    };
}
