using Microsoft.Extensions.Logging;
using Orleans.Runtime;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Planning;
using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Grains.Terms;

/// <summary>Fences a term's silos, and keeps what they answered: who they are, and what they hold.</summary>
internal sealed partial class Fencing(TermContext term, IAgents agents, TimeProvider time, ILogger log)
{
    /// <summary>
    /// For silos that live, by the membership's probes, and say nothing: long, since an overloaded machine may be slow to begin.
    /// </summary>
    private static TimeSpan FenceTime => ClusterTimes.Current.Fence;

    private readonly SortedDictionary<string, FenceReply> replies = new(StringComparer.Ordinal);

    /// <summary>The silos that answered, as a plan wants to know them.</summary>
    internal IEnumerable<SiloInventory> Silos =>
        replies.Values.Select(static reply => new SiloInventory(reply.Silo, reply.Loaded, reply.MemoryBytes, TakesSeats: !reply.Seatless));

    /// <summary>Fences a silo; one that lives and does not answer is declared dead before it is counted as lost.</summary>
    internal async Task<Answer> Fence(string silo)
    {
        try
        {
            var asked = agents.At(term.Live[silo]).Fence(term.RunId, term.Term);
            // The coordinator's own silo is as alive as it is itself.
            var reply = (await (silo == agents.Self ? asked : asked.WaitAsync(FenceTime, time))).Obeyed();
            return protocol =>
            {
                replies[silo] = reply;
                foreach (var (step, record) in reply.Records) term.Records[step] = record;
                foreach (var claim in reply.Claims) term.SaidOf(claim.Layer, claim.Version)[silo] = claim.Hash;
                return protocol.Fenced(silo, reply.Inventory, reply.Claims);
            };
        }
        catch (Exception error) when (error is SiloUnavailableException or TimeoutException or OrleansMessageRejectionException
            && silo != agents.Self && !term.SiloStops.IsCancellationRequested && !term.Abandoned.IsCancellationRequested)
        {
            // From a silo that shuts down nobody can be reached, which says nothing about them.
            LogSiloSilent(term.RunId, silo, error.Message);
            await agents.Kill(term.Live[silo]);
            term.Figures.Elastic.Evicted();
            return protocol =>
            {
                // The term goes on without it; should it come back, it is a silo that joins.
                term.Live.Remove(silo);
                return protocol.Lost(silo);
            };
        }
    }

    /// <summary>All compute as the run was created for.</summary>
    /// <exception cref="UnfitSiloException">A silo computes with another number of threads.</exception>
    internal void RequireThreads()
    {
        foreach (var (silo, reply) in replies)
        {
            if (!reply.Seatless && term.Unfit(silo, reply.Threads) is { } unfit) throw unfit;
        }
    }

    /// <summary>Summed peak of the silos that compute in a plan, FLOP/s; null where one of them has not said.</summary>
    internal double? PeakOf(SeatPlan plan)
    {
        var peaks = plan.Seats.Where(static seat => seat.Active).Select(static seat => seat.Silo).Distinct()
            .Select(silo => replies.TryGetValue(silo, out var reply) ? reply.PeakFlops : 0)
            .ToArray();
        return peaks.Length > 0 && Array.TrueForAll(peaks, static peak => peak > 0) ? peaks.Sum() : null;
    }

    /// <summary>A silo that holds a version, by layer: the first by name; layers that nobody holds are left out.</summary>
    internal Dictionary<int, string> Holders(int version)
    {
        var holders = new Dictionary<int, string>();
        foreach (var (silo, reply) in replies)
        {
            foreach (var (layer, versions) in reply.Inventory)
            {
                if (versions.Contains(version)) holders.TryAdd(layer, silo);
            }
        }

        return holders;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "run {RunId}: silo {Silo} does not answer ({Reason}); it is declared dead")]
    private partial void LogSiloSilent(string runId, string silo, string reason);
}
