using Orleans.Runtime;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Planning;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Grains.RunFiles;
using Peft.Orleans.Kernels.Adapters;

namespace Peft.Orleans.Grains.Terms;

/// <summary>Who sits where: fences, plan, start, and silos that come while the run goes on.</summary>
internal sealed partial class TermRun
{
    /// <summary>For silos that live, by the membership's probes, and say nothing: long, since an overloaded machine may be slow to begin.</summary>
    private static readonly TimeSpan FenceTime = TimeSpan.FromSeconds(30);

    private readonly Dictionary<string, FenceReply> fences = [];
    private static readonly TimeSpan WelcomeAgain = TimeSpan.FromSeconds(2);

    private readonly HashSet<string> welcomed = [];
    private SnapshotManifest? snapshot;
    private RunDefinition? definition;
    private bool needsEstimate;
    private double[]? layerCosts;

    private async Task Fence(string silo)
    {
        try
        {
            var asked = context.Agent(silo).Fence(context.Request.RunId, context.Term);
            // The coordinator's own silo is as alive as it is itself.
            var reply = await (silo == context.Self ? asked : asked.WaitAsync(FenceTime));
            if (!reply.Accepted) throw new InvalidOperationException(reply.Reason);
            Post(() =>
            {
                fences[silo] = reply;
                foreach (var (step, line) in reply.Records) steps.Records[step] = line;
                return protocol.Fenced(silo, reply.Inventory);
            });
        }
        catch (Exception error) when (error is SiloUnavailableException or TimeoutException or OrleansMessageRejectionException
            && silo != context.Self && !context.SiloStops.IsCancellationRequested && !context.Abandoned.IsCancellationRequested)
        {
            // From a silo that shuts down nobody can be reached, which says nothing about them. A live silo that does not answer is killed before it is counted as lost.
            LogSiloSilent(context.Request.RunId, silo, error.Message);
            await context.Roster.Kill(context.Live[silo]);
            Post(() => protocol.Lost(silo));
        }
    }

    private async Task MakePlan()
    {
        foreach (var (silo, fence) in fences)
        {
            if (fence.Threads == context.Run.Threads) continue;
            throw new PeftException($"silo {silo} computes with {fence.Threads} threads, but the run was created for {context.Run.Threads} "
                + $"(compute.threads_per_silo); start it with --threads {context.Run.Threads}");
        }

        snapshot = await Task.Run(() => snapshots.Newest(runHash));
        if (snapshot is not null && snapshot.Record.Length > 0) steps.Records.TryAdd(snapshot.Step, snapshot.Record);
        var plan = PlanFor(fences.Values.Select(static fence => new SiloInventory(fence.Silo, fence.Loaded, fence.MemoryBytes)));
        definition = new RunDefinition(context.Request.RunId, context.Request.Folder, context.Run.Setup, Training: true);
        Progress?.Invoke(status => status with { Message = "seating layers", Silos = plan.Silos.Length });
        Post(() =>
        {
            Plan = plan;
            var effects = protocol.Planned(plan, snapshot is null ? [] : [snapshot.Step]);
            reporter.Begin(plan, protocol.Stable);
            MembershipChanged();
            return effects;
        });
    }

    private async Task Start(string silo, int target)
    {
        var holders = new Dictionary<int, string>();
        foreach (var (name, fence) in fences.OrderBy(static pair => pair.Key, StringComparer.Ordinal))
        {
            foreach (var (layer, versions) in fence.Inventory)
            {
                if (versions.Contains(target)) holders.TryAdd(layer, name);
            }
        }

        var folder = snapshot?.Step == target ? snapshots.FolderOf(target) : null;
        var reply = Accept(await context.Agent(silo).Start(new StartMessage(definition!, context.Term, Plan!, target, holders, folder)));
        Post(() =>
        {
            needsEstimate |= reply.NeedsEstimate;
            return protocol.Started(silo, reply.LacksVersion);
        });
    }

    private async Task Initialize()
    {
        var samples = needsEstimate ? Math.Min(context.Spec.Method.LoraGa.GradientSamples, context.Data.Samples) : 0;
        var passes = needsEstimate ? BaseGradientEstimate.Passes(context.Run.Method, context.Run.Model) : 1;
        for (var pass = 1; pass <= passes; pass++)
        {
            var which = passes == 1 ? "" : $"pass {pass} of {passes}, ";
            for (var i = 0; i < samples; i++)
            {
                Progress?.Invoke(status => status with { Message = $"estimating the base gradient: {which}sample {i + 1} of {samples}" });
                await steps.Estimate(Plan!, pass, i, samples);
            }

            Progress?.Invoke(status => status with { Message = "initialising the adapter" });
            var replies = await Task.WhenAll(FirstSilos().Select(silo => context.Agent(silo).Initialize(context.Request.RunId, context.Term, pass)));
            foreach (var reply in replies) Accept(reply);
        }

        Post(protocol.Initialized);
    }

    /// <summary>A silo of the plan is gone: the term ends. New ones are prepared while it goes on.</summary>
    private async Task CheckMembership()
    {
        var live = await context.Roster.Live();
        foreach (var (name, address) in context.Live)
        {
            if (!live.TryGetValue(name, out var now) || !now.Equals(address)) throw new SiloUnavailableException($"silo {name} is gone");
        }

        // Whoever comes while the plan is made is looked at when it is.
        if (Plan is null) return;
        var joined = live.Keys.Except(context.Live.Keys).Where(silo => welcomed.Add(live[silo].ToParsableString())).ToArray();
        if (joined.Length > 0) await Welcome(live, joined);
    }

    /// <summary>
    /// Everyone loads the base weights that the plan with the new silos needs; then the term ends at the next reported step. The pause is
    /// that of fences and adapter state alone.
    /// </summary>
    private async Task Welcome(SortedDictionary<string, SiloAddress> live, string[] joined)
    {
        try
        {
            Event("joining", new { silos = joined });
            var reports = await Task.WhenAll(live.Values.Select(address => context.Agents.At(address).Describe()));
            var plan = PlanFor(reports.Select(report => new SiloInventory(
                report.Silo, report.LoadedLayers.GetValueOrDefault(context.Request.RunId) ?? [], report.MemoryBytes)));
            await Task.WhenAll(live.Select(silo => context.Agents.At(silo.Value).Preload(definition!, plan.ActiveLayersOn(silo.Key))));
            protocol.AskEnd(EndRequest.Replan);
        }
        catch (Exception error) when (error is not PeftException)
        {
            LogNotWelcomed(context.Request.RunId, error.Message);
            // One of them may be gone again, or not be ready yet.
            foreach (var silo in joined) welcomed.Remove(live[silo].ToParsableString());
            await Task.Delay(WelcomeAgain, context.Abandoned);
            if (!over) MembershipChanged();
        }
    }

    private SeatPlan PlanFor(IEnumerable<SiloInventory> silos) =>
        RunPlanner.Plan(context.Run, [.. silos]);

    /// <summary>What each layer costs, as the plan has it.</summary>
    private double[] LayerCosts => layerCosts ??= context.Run.Model.PlanFor(context.Run.Method).LayerCosts;

    private IEnumerable<string> FirstSilos() => Plan!.Seats.Where(static seat => seat is { Active: true, Replica: 0 }).Select(static seat => seat.Silo).Distinct();
}
