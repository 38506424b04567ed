using Microsoft.Extensions.Logging;
using Orleans.Runtime;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Planning;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Grains.Terms;

/// <summary>
/// Silos that come or leave while a term goes on: the weights that a plan with or without them needs are loaded, and then it may end.
/// </summary>
internal sealed partial class Newcomers(TermContext term, IAgents agents, RunJournals journals, ILogger log)
{
    private readonly HashSet<string> welcomed = [];

    /// <summary>Looks who lives.</summary>
    /// <exception cref="SiloUnavailableException">A silo of the term is gone.</exception>
    internal async Task<Arrivals> Look()
    {
        var live = await agents.Live();
        foreach (var (name, address) in term.Live)
        {
            if (!live.TryGetValue(name, out var now) || !now.Equals(address)) throw new SiloUnavailableException($"silo {name} is gone");
        }

        // Whoever comes while the plan is made is looked at when it is.
        if (!term.Planned) return Arrivals.None;
        var joined = live.Keys.Except(term.Live.Keys).Where(silo => welcomed.Add(live[silo].ToParsableString())).ToArray();
        if (joined.Length > 0) return await Welcome(live, joined);
        return agents.Outside.Count > 0 ? Arrivals.NotReady : Arrivals.None;
    }

    /// <summary>A silo that takes no seats any more is to leave: the others load what they need for its layers.</summary>
    /// <returns>How many silos take seats without it.</returns>
    internal async Task<int> Relieve(string silo)
    {
        journals.Event(RunEvents.Leaving, new { silo });
        var live = await agents.Live();
        var silos = await Inventories(live);
        try
        {
            await Load(live, silos);
        }
        catch (Exception error) when (error is not PeftException)
        {
            // Then they load when they are seated.
            LogNotWelcomed(term.RunId, error.Message);
        }

        return silos.Count(static other => other.TakesSeats);
    }

    private async Task<SiloInventory[]> Inventories(SortedDictionary<string, SiloAddress> live)
    {
        var reports = await Task.WhenAll(live.Values.Select(address => agents.At(address).Describe()));
        foreach (var report in reports)
        {
            if (!report.Seatless && term.Unfit(report.Silo.Name, report.Threads) is { } unfit) throw unfit;
        }

        return
        [
            .. reports.Select(report => new SiloInventory(
                report.Silo, report.LoadedLayers.GetValueOrDefault(term.RunId) ?? [], report.MemoryBytes, TakesSeats: !report.Seatless)),
        ];
    }

    private Task Load(SortedDictionary<string, SiloAddress> live, SiloInventory[] silos)
    {
        // Without enough silos there is no plan: the next term finds that out, and the run waits.
        if (!TooFewSilosException.Enough(silos, term.Spec)) return Task.CompletedTask;
        var plan = RunPlanner.Plan(term.Run, silos);
        return Task.WhenAll(live.Select(silo => agents.At(silo.Value).Preload(term.Definition, plan.ActiveLayersOn(silo.Key))));
    }

    private async Task<Arrivals> Welcome(SortedDictionary<string, SiloAddress> live, string[] joined)
    {
        try
        {
            journals.Event(RunEvents.Joining, new { silos = joined });
            await Load(live, await Inventories(live));
            return Arrivals.Ready;
        }
        catch (UnfitSiloException unfit) when (live.TryGetValue(unfit.Silo, out var address))
        {
            journals.LeftOut(unfit);
            await agents.LeaveOut(address, term.Term, unfit);
        }
        catch (Exception error) when (error is not PeftException)
        {
            LogNotWelcomed(term.RunId, error.Message);
        }

        // One of them may be gone again, or not be ready yet; or others are fit where one is not.
        foreach (var silo in joined) welcomed.Remove(live[silo].ToParsableString());
        return Arrivals.NotReady;
    }

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "run {RunId}: the silos that came could not be prepared ({Reason}); the run goes on without them"
    )]
    private partial void LogNotWelcomed(string runId, string reason);
}

/// <summary>What there is to be said of silos that came.</summary>
internal enum Arrivals
{
    /// <summary>Nobody new.</summary>
    None,

    /// <summary>They have loaded what they need: the term may end.</summary>
    Ready,

    /// <summary>They could not be prepared, one of them is left out, or they wait behind a cut; to be looked at again.</summary>
    NotReady,
}
