using Orleans.Runtime;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Grains.Terms;

namespace Peft.Orleans.Grains.Runs;

/// <summary>
/// Silos that were told to leave, while a run needs something of them. In the next term such a silo has no seat and gives the others what
/// they lack; once a step is committed there, nothing of it is needed, and the term after does without it. The coordinator on such a silo
/// ends with its term, for another silo to bring it to life.
/// </summary>
internal sealed class Departures(IAgents agents)
{
    private readonly HashSet<SiloAddress> told = [];
    private readonly HashSet<(int Term, SiloAddress Silo)> relieved = [];

    /// <summary>Whether the coordinator's own silo leaves, and has nothing else of the run any more.</summary>
    internal bool OwnIsFree { get; private set; }

    /// <summary>What a silo that leaves has to wait for, and what is done about it.</summary>
    /// <returns>What it waits for.</returns>
    internal async Task<Departure> Advance(TermRun running, SiloAddress silo)
    {
        told.Add(silo);
        var term = running.Term;
        if (!term.Live.ContainsValue(silo)) return Departure.Free;
        var name = term.Live.Single(other => other.Value.Equals(silo)).Key;
        if (!term.Planned) return Departure.Waits;
        if (term.Plan.LayersOn(name).Length > 0)
        {
            // Once a term: the silo asks again and again.
            return !relieved.Add((term.Term.Counter, silo)) || await Relieve(running, silo, name) ? Departure.Waits : Departure.IsTheLast;
        }

        // Until a step is committed, it may hold what others have not got yet.
        if (!running.Committed) return Departure.Waits;
        if (name == agents.Self) OwnIsFree = true;
        else agents.Release(silo);
        running.AskEnd(EndRequest.Replan);
        return Departure.Waits;
    }

    /// <summary>Where data set and coordinator have to be, if one of the silos leaves that they may be on.</summary>
    internal async Task<SiloAddress?> PlaceToStay()
    {
        if (told.Count == 0) return null;
        var live = (await agents.Live()).Values;
        return live.Any(told.Contains) ? live.FirstOrDefault(silo => !told.Contains(silo)) : null;
    }

    private async Task<bool> Relieve(TermRun running, SiloAddress silo, string name)
    {
        try
        {
            return await running.Relieve(name);
        }
        catch
        {
            // Somebody did not answer: the next time.
            relieved.Remove((running.Term.Term.Counter, silo));
            throw;
        }
    }
}

/// <summary>Where a silo stands that leaves.</summary>
internal enum Departure
{
    /// <summary>The run has something of it still.</summary>
    Waits,

    /// <summary>No other silo takes its seats.</summary>
    IsTheLast,

    /// <summary>It may go.</summary>
    Free,
}
