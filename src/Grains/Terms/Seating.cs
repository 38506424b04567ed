using Microsoft.Extensions.Logging;
using Orleans.Runtime;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Planning;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Grains.RunFiles;
using Peft.Orleans.Kernels.Adapters;

namespace Peft.Orleans.Grains.Terms;

/// <summary>Who sits where: fences, plan, start, version 0, and silos that come while the run goes on.</summary>
internal sealed partial class Seating(
    TermContext term,
    IAgents agents,
    RunJournals journals,
    StepComputation steps,
    TimeProvider time,
    ILogger log
)
{
    /// <summary>
    /// For silos that live, by the membership's probes, and say nothing: long, since an overloaded machine may be slow to begin.
    /// </summary>
    private static TimeSpan FenceTime => ClusterTimes.Current.Fence;

    private readonly Dictionary<string, FenceReply> fences = [];
    private readonly HashSet<string> welcomed = [];
    private readonly SnapshotStore snapshots = new(term.Folder);
    private SnapshotManifest? snapshot;
    private RunDefinition? definition;
    private bool needsEstimate;

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
                fences[silo] = reply;
                foreach (var (step, record) in reply.Records) term.Records[step] = record;
                return protocol.Fenced(silo, reply.Inventory);
            };
        }
        catch (Exception error) when (error is SiloUnavailableException or TimeoutException or OrleansMessageRejectionException
            && silo != agents.Self && !term.SiloStops.IsCancellationRequested && !term.Abandoned.IsCancellationRequested)
        {
            // From a silo that shuts down nobody can be reached, which says nothing about them.
            LogSiloSilent(term.RunId, silo, error.Message);
            await agents.Kill(term.Live[silo]);
            return protocol =>
            {
                // The term goes on without it; should it come back, it is a silo that joins.
                term.Live.Remove(silo);
                return protocol.Lost(silo);
            };
        }
    }

    /// <summary>Makes the plan for the silos that answered.</summary>
    /// <exception cref="PeftException">A silo computes with another number of threads than the run was created for.</exception>
    internal async Task<Answer> MakePlan()
    {
        foreach (var (silo, fence) in fences)
        {
            if (fence.Threads == term.Run.Threads) continue;
            throw new PeftException(
                $"silo {silo} computes with {fence.Threads} threads, but the run was created for {term.Run.Threads} "
                + $"(compute.threads_per_silo); start it with --threads {term.Run.Threads}");
        }

        snapshot = await Task.Run(() => snapshots.Newest(term.Run.Hash));
        if (snapshot?.Step is { } step && snapshot.StepRecord is { } record) term.Records.TryAdd(step, record);
        var plan = PlanFor(fences.Values.Select(static fence => new SiloInventory(fence.Silo, fence.Loaded, fence.MemoryBytes)));
        definition = new RunDefinition(term.RunId, term.Request.Folder, term.Run.Setup, Training: true);
        term.Progress.Note(status => status with { Message = "seating layers", Silos = plan.Silos.Length });
        return protocol =>
        {
            term.Plan = plan;
            var effects = protocol.Planned(plan, snapshot is null ? [] : [snapshot.Step]);
            journals.Begin(plan, protocol.Stable);
            return effects;
        };
    }

    /// <summary>Lets a silo take its seats, and get the target version from whoever has it.</summary>
    internal async Task<Answer> Start(string silo, int target)
    {
        var holders = new Dictionary<int, string>();
        foreach (var (name, fence) in fences.OrderBy(static pair => pair.Key, StringComparer.Ordinal))
        {
            foreach (var (layer, versions) in fence.Inventory)
            {
                if (versions.Contains(target)) holders.TryAdd(layer, name);
            }
        }

        var folder = snapshot?.Step == target ? term.Folder.Snapshot(target) : null;
        var reply = (await agents.At(term.Live[silo]).Start(
            new StartMessage(definition!, term.Term, term.Plan, target, holders, folder))).Obeyed();
        return protocol =>
        {
            needsEstimate |= reply.NeedsEstimate;
            return protocol.Started(silo, reply.LacksVersion);
        };
    }

    /// <summary>Version 0 on the first seats, after what its method has to learn of the base.</summary>
    internal async Task<Answer> Initialize()
    {
        var samples = needsEstimate ? Math.Min(term.Spec.Method.LoraGa.GradientSamples, term.Data.Samples) : 0;
        var passes = needsEstimate ? BaseGradientEstimate.Passes(term.Run.Method, term.Run.Model) : 1;
        for (var pass = 1; pass <= passes; pass++)
        {
            var which = passes == 1 ? "" : $"pass {pass} of {passes}, ";
            for (var i = 0; i < samples; i++)
            {
                term.Progress.Note(status => status with { Message = $"estimating the base gradient: {which}sample {i + 1} of {samples}" });
                await steps.Estimate(pass, i);
            }

            term.Progress.Note(status => status with { Message = "initialising the adapter" });
            var replies = await Task.WhenAll(
                term.FirstSilos.Select(silo => agents.At(term.Live[silo]).Initialize(term.RunId, term.Term, pass))
            );
            foreach (var reply in replies)
                reply.Obeyed();
        }

        return static protocol => protocol.Initialized();
    }

    /// <summary>Looks who lives. Silos that came load the base weights that a plan with them needs, while the run goes on.</summary>
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

    /// <summary>What each layer costs, as the plan has it.</summary>
    internal double[] LayerCosts => layerCosts ??= PlanModel.Of(term.Run.Model, term.Run.Method).LayerCosts;

    private double[]? layerCosts;

    private async Task<Arrivals> Welcome(SortedDictionary<string, SiloAddress> live, string[] joined)
    {
        try
        {
            journals.Event("joining", new { silos = joined });
            var reports = await Task.WhenAll(live.Values.Select(address => agents.At(address).Describe()));
            var plan = PlanFor(reports.Select(report => new SiloInventory(
                report.Silo, report.LoadedLayers.GetValueOrDefault(term.RunId) ?? [], report.MemoryBytes)));
            await Task.WhenAll(live.Select(silo => agents.At(silo.Value).Preload(definition!, plan.ActiveLayersOn(silo.Key))));
            return Arrivals.Ready;
        }
        catch (Exception error) when (error is not PeftException)
        {
            LogNotWelcomed(term.RunId, error.Message);
            // One of them may be gone again, or not be ready yet.
            foreach (var silo in joined) welcomed.Remove(live[silo].ToParsableString());
            return Arrivals.NotReady;
        }
    }

    private SeatPlan PlanFor(IEnumerable<SiloInventory> silos) => RunPlanner.Plan(term.Run, [.. silos]);

    [LoggerMessage(Level = LogLevel.Warning, Message = "run {RunId}: silo {Silo} does not answer ({Reason}); it is declared dead")]
    private partial void LogSiloSilent(string runId, string silo, string reason);

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

    /// <summary>They could not be prepared, or wait behind a cut; to be looked at again.</summary>
    NotReady,
}
