using Microsoft.Extensions.Logging;
using Orleans.Runtime;
using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Grains.Membership;

/// <summary>
/// Finds silos that do not reach each other though membership sees both alive, as others reach them, and evicts as few as it takes. All
/// silos are asked: a single complaint, or a slow one, evicts nobody.
/// </summary>
internal sealed partial class SiloLinks(ISiloAgents agents, ClusterRoster roster, string self, ILogger log)
{
    /// <summary>Longer than an agent waits for its connections.</summary>
    private static TimeSpan AnswerTime => Reachability.Patience * 2;

    /// <summary>Silos that were evicted, by name, until they have come back whole.</summary>
    private readonly HashSet<string> evicted = new(StringComparer.Ordinal);

    private readonly Dictionary<SiloAddress, (string Name, string Reason)> leftOut = [];

    /// <summary>Silos that leave, and of which the run has nothing any more.</summary>
    private readonly HashSet<SiloAddress> released = [];

    /// <summary>Name of the coordinator's silo.</summary>
    internal string Self => self;

    /// <summary>Silos that live and wait outside, as of the last look.</summary>
    internal IReadOnlyCollection<string> Outside { get; private set; } = [];

    /// <summary>Why silos that live are left out, by name, as of the last look.</summary>
    internal IReadOnlyDictionary<string, string> LeftOut { get; private set; } = new Dictionary<string, string>();

    /// <summary>Leaves out this one of a silo's lives.</summary>
    internal void LeaveOut(SiloAddress silo, string name, string reason)
    {
        leftOut[silo] = (name, reason);
        LogLeftOut(name, reason);
    }

    /// <summary>From now on this one of a silo's lives does not count as alive.</summary>
    internal void Release(SiloAddress silo) => released.Add(silo);

    /// <summary>
    /// The live silos without those that are left out, those that leave and were released, and those that came back behind the cut for
    /// which they were evicted: a plan with them would be lost again.
    /// </summary>
    internal async Task<SortedDictionary<string, SiloAddress>> Inside()
    {
        var live = await roster.Live();
        LeftOut = leftOut.Where(silo => live.ContainsValue(silo.Key)).ToDictionary(
            static silo => silo.Value.Name, static silo => silo.Value.Reason, StringComparer.Ordinal);
        foreach (var silo in LeftOut.Keys) live.Remove(silo);
        foreach (var silo in live.Where(silo => released.Contains(silo.Value)).ToArray()) live.Remove(silo.Key);
        if (!evicted.Overlaps(live.Keys))
        {
            Outside = [];
            return live;
        }

        var outside = StillCutOff(evicted, await Cuts(live));
        foreach (var silo in outside.Except(Outside)) LogOutside(silo);
        Outside = outside;
        // Who is back and reaches everybody is a silo like any other.
        evicted.RemoveWhere(silo => live.ContainsKey(silo) && !outside.Contains(silo));
        foreach (var silo in outside) live.Remove(silo);
        return live;
    }

    /// <summary>Declares a silo dead.</summary>
    internal Task Kill(SiloAddress silo) => roster.Kill(silo);

    /// <summary>Asks all; returns the silos that were evicted.</summary>
    internal async Task<string[]> Mend()
    {
        var live = await Inside();
        var chosen = Fewest(await Cuts(live), self);
        foreach (var silo in chosen)
        {
            LogEvicted(silo);
            evicted.Add(silo);
            await roster.Kill(live[silo]);
        }

        return chosen;
    }

    /// <summary>Those of the silos evicted before that some cut still concerns.</summary>
    internal static string[] StillCutOff(IReadOnlyCollection<string> evicted, IEnumerable<(string From, string To)> cuts) =>
        [.. cuts.SelectMany(static cut => (string[])[cut.From, cut.To]).Distinct().Where(evicted.Contains).Order(StringComparer.Ordinal)];

    /// <summary>
    /// As few silos as it takes, nearly, so that no pair is left: the one in most pairs first, the coordinator's own last among equals. A
    /// coordinator that nobody answers is cut off itself.
    /// </summary>
    internal static string[] Fewest(IEnumerable<(string From, string To)> cuts, string self)
    {
        var left = cuts.Where(static cut => cut.From != cut.To).ToList();
        var chosen = new List<string>();
        while (left.Count > 0)
        {
            // Both directions of one cut are one pair.
            var pairs = left.Select(static cut => string.CompareOrdinal(cut.From, cut.To) < 0 ? cut : (cut.To, cut.From)).Distinct();
            var next = pairs
                .SelectMany(static cut => (string[])[cut.Item1, cut.Item2])
                .GroupBy(static silo => silo)
                .OrderByDescending(static group => group.Count())
                .ThenBy(group => group.Key == self)
                .ThenByDescending(static group => group.Key, StringComparer.Ordinal)
                .First()
                .Key;
            chosen.Add(next);
            left.RemoveAll(cut => cut.From == next || cut.To == next);
        }

        return [.. chosen];
    }

    private async Task<List<(string From, string To)>> Cuts(SortedDictionary<string, SiloAddress> live)
    {
        var reports = await Task.WhenAll(live.Select(async silo => (silo.Key, Report: await Answer(agents.At(silo.Value).Describe()))));
        var cuts = reports.Where(static entry => entry.Report is null).Select(entry => (self, entry.Key)).ToList();
        PlannedSilo[] reached = [.. reports.Select(static entry => entry.Report?.Silo).OfType<PlannedSilo>()];
        var answers = await Task.WhenAll(
            reached.Select(async silo =>
                (silo.Name, Unreachable: await Answer(agents.At(live[silo.Name]).Unreachable([.. reached.Where(other => other != silo)])))
            )
        );
        foreach (var (name, unreachable) in answers)
        {
            if (unreachable is null) cuts.Add((self, name));
            else cuts.AddRange(unreachable.Select(other => (name, other)));
        }

        return cuts;
    }

    /// <summary>What a silo answers; null when it does not.</summary>
    internal static async Task<T?> Answer<T>(Task<T> asked)
        where T : class
    {
        try
        {
            return await asked.WaitAsync(AnswerTime);
        }
        catch (Exception error) when (error is TimeoutException or SiloUnavailableException or OrleansMessageRejectionException)
        {
            return null;
        }
    }

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "silo {Silo} is cut off from others of its run; it is evicted, and may join again when the network is whole"
    )]
    private partial void LogEvicted(string silo);

    [LoggerMessage(Level = LogLevel.Warning, Message = "silo {Silo} is left out: {Reason}")]
    private partial void LogLeftOut(string silo, string reason);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "silo {Silo} is back, still cut off from others of its run; it waits until the network is whole"
    )]
    private partial void LogOutside(string silo);
}
