using System.Text.Json;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Orleans.Runtime;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Planning;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Data.HuggingFace;
using Peft.Orleans.Grains.Inference;
using Peft.Orleans.Kernels.Shards;

namespace Peft.Orleans.Grains.Coordination;

/// <summary>
/// Carries out the coordinator's protocol within one generation: effects become grain calls, their answers events. Any refusal, loss or
/// membership change ends it by an exception.
/// </summary>
internal sealed partial class GenerationRun : IDisposable
{
    private readonly GenerationContext context;
    private readonly ILogger log;
    private readonly CoordinatorProtocol protocol;
    private readonly Channel<Func<IReadOnlyList<CoordinatorEffect>>> events = Channel.CreateUnbounded<Func<IReadOnlyList<CoordinatorEffect>>>();
    private readonly SnapshotStore snapshots;
    private readonly StepComputation steps;
    private readonly RunReporter reporter;
    private readonly Dictionary<string, FenceReply> fences = [];
    private readonly Dictionary<int, string> records = [];
    private readonly string runHash;
    private SnapshotManifest? snapshot;
    private RunDefinition? definition;
    private bool needsEstimate;

    internal GenerationRun(GenerationContext context, ILoggerFactory loggers)
    {
        this.context = context;
        log = loggers.CreateLogger<GenerationRun>();
        protocol = new CoordinatorProtocol(context.Data.Steps);
        snapshots = new SnapshotStore(context.Request.Folder);
        runHash = RunFolder.HashOf(context.Request.RunYaml);
        steps = new StepComputation(context);
        reporter = new RunReporter(context);
    }

    /// <summary>Changes of the run's status.</summary>
    internal event Action<Func<RunStatus, RunStatus>>? Progress;

    /// <summary>Plan in force.</summary>
    internal SeatPlan? Plan { get; private set; }

    /// <summary>Whether a step was committed in this generation.</summary>
    internal bool Committed { get; private set; }

    /// <summary>Whether validation has not improved for as long as the run file allows.</summary>
    internal bool StoppedEarly { get; private set; }

    /// <summary>Runs to the end; returns the last stable step and whether the run was stopped before its last one.</summary>
    internal async Task<(int Step, bool Stopped)> Run()
    {
        Carry(protocol.Begin(context.Live.Keys));
        (int, bool)? finished = null;
        await foreach (var handle in events.Reader.ReadAllAsync())
        {
            foreach (var effect in handle())
            {
                if (effect is CoordinatorEffect.Finish finish) finished = (finish.Step, finish.Stopped);
                else Carry(effect);
            }

            if (finished is { } end)
            {
                reporter.Sync();
                return end;
            }
        }

        throw new OperationCanceledException("the generation ended");
    }

    internal void AskStop() => protocol.AskStop();

    internal void MembershipChanged() => _ = CheckMembership();

    internal void End(Exception reason) => events.Writer.TryComplete(reason);

    internal void Event(string name, object details) => reporter.Event(name, details);

    /// <summary>A caller for passes without gradients at a stable version.</summary>
    internal PipelineCaller Caller(int version) => new(context.Grains, context.Request.RunId, context.Generation, Plan!, version);

    /// <summary>Drops the run's state everywhere.</summary>
    internal Task EndAgents() => Task.WhenAll(context.Live.Keys.Select(silo => context.Agent(silo).End(context.Request.RunId, context.Generation)));

    public void Dispose()
    {
        events.Writer.TryComplete();
        reporter.Dispose();
    }

    private IEnumerable<string> SeatedSilos() => Plan!.Seats.Where(static seat => seat.Active).Select(static seat => seat.Silo).Distinct();

    private void Carry(IReadOnlyList<CoordinatorEffect> effects)
    {
        foreach (var effect in effects) Carry(effect);
    }

    private void Carry(CoordinatorEffect effect) => _ = Guard(effect switch
    {
        CoordinatorEffect.SendFence fence => Fence(fence.Silo),
        CoordinatorEffect.MakePlan => MakePlan(),
        CoordinatorEffect.SendStart start => Start(start.Silo, start.Target),
        CoordinatorEffect.Initialize => Initialize(),
        CoordinatorEffect.Report report => Report(report.Step),
        CoordinatorEffect.ComputeGradients compute => ComputeGradients(compute.Step),
        CoordinatorEffect.SendPrepare prepare => Prepare(prepare.Silo, prepare.Step),
        CoordinatorEffect.SendApply apply => Apply(apply.Silo, apply.Step),
        _ => throw new System.Diagnostics.UnreachableException(effect.ToString()),
    });

    private async Task Guard(Task work)
    {
        try
        {
            await work;
        }
        catch (Exception error)
        {
            End(error);
        }
    }

    private void Post(Func<IReadOnlyList<CoordinatorEffect>> handle) => events.Writer.TryWrite(handle);

    private async Task Fence(string silo)
    {
        try
        {
            var reply = await context.Agent(silo).Fence(context.Request.RunId, context.Generation).WaitAsync(TimeSpan.FromSeconds(15));
            if (!reply.Accepted) throw new InvalidOperationException(reply.Reason);
            Post(() =>
            {
                fences[silo] = reply;
                foreach (var (step, line) in reply.Records) records[step] = line;
                return protocol.Fenced(silo, reply.Inventory);
            });
        }
        catch (Exception error) when (error is SiloUnavailableException or TimeoutException)
        {
            // A live silo that does not answer is killed before it is counted as lost.
            LogSiloSilent(context.Request.RunId, silo, error.Message);
            await context.Roster.Kill(context.Live[silo]);
            Post(() => protocol.Lost(silo));
        }
    }

    private async Task MakePlan()
    {
        var model = LlamaDimensions.Of(LlamaConfig.Read(context.Spec.Model.Path)).PlanFor(context.Spec.Method);
        foreach (var (silo, fence) in fences)
        {
            if (context.Spec.Compute.ThreadsPerSilo is { } threads && fence.Threads != threads)
                throw new PeftException($"silo {silo} computes with {fence.Threads} threads, but the run was created for {threads} (compute.threads_per_silo); start it with --threads {threads}");
        }

        snapshot = await Task.Run(() => snapshots.Newest(runHash));
        if (snapshot is not null && snapshot.Record.Length > 0) records.TryAdd(snapshot.Step, snapshot.Record);
        var plan = Planner.Plan([.. fences.Values.Select(static fence => fence.Silo)], model, context.Spec.Elastic.MaxSilos);
        definition = new RunDefinition(context.Request.RunId, context.Request.Folder, context.Request.RunYaml, Training: true);
        Progress?.Invoke(status => status with { Message = "seating layers", Silos = plan.Silos.Length });
        Post(() =>
        {
            Plan = plan;
            return protocol.Planned(plan, snapshot is null ? [] : [snapshot.Step]);
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
        var reply = Accept(await context.Agent(silo).Start(new StartMessage(definition!, context.Generation, Plan!, target, holders, folder)));
        Post(() =>
        {
            needsEstimate |= reply.NeedsEstimate;
            return protocol.Started(silo, reply.LacksVersion);
        });
    }

    private async Task Initialize()
    {
        if (needsEstimate)
        {
            var samples = Math.Min(context.Spec.Method.LoraGa.GradientSamples, context.Data.Samples);
            var passes = BaseGradientEstimate.Passes(context.Spec.Method);
            foreach (var (pass, i) in Enumerable.Range(1, passes).SelectMany(pass => Enumerable.Range(0, samples).Select(i => (pass, i))))
            {
                var which = passes == 1 ? "" : $"pass {pass} of {passes}, ";
                Progress?.Invoke(status => status with { Message = $"estimating the base gradient: {which}sample {i + 1} of {samples}" });
                await steps.Estimate(Plan!, pass, i, samples);
            }
        }

        Progress?.Invoke(status => status with { Message = "initialising the adapter" });
        foreach (var reply in await Task.WhenAll(Plan!.Silos.Select(silo => context.Agent(silo.Name).Initialize(context.Request.RunId, context.Generation)))) Accept(reply);
        Post(protocol.Initialized);
    }

    private async Task Report(int step)
    {
        if (step > 0) reporter.Line(step, records.GetValueOrDefault(step) ?? throw new InvalidOperationException($"the record of step {step} is lost"));
        var ending = step >= context.Data.Steps;
        if (step == 0) await reporter.EvaluateBefore(Caller(0), Progress);
        if (step > 0 && await reporter.Validate(Caller(step), step, ending) is { } validation)
        {
            Progress?.Invoke(status => status with { ValidationLoss = validation });
            var best = reporter.Best.Note(step, validation);
            if (best && context.Spec.Training.EarlyStopping.KeepBest) await KeepBest(step);
        }

        if (reporter.Best.Exhausted && !ending)
        {
            StoppedEarly = true;
            protocol.AskStop();
        }

        var every = context.Spec.Snapshots.Every;
        if (step > 0 && (ending || (every > 0 && step % every == 0))) await Snapshot(step);
        var line = step > 0 ? records[step] : null;
        Progress?.Invoke(status => status with
        {
            State = RunState.Running,
            Message = "training",
            Step = step,
            Loss = line is null ? status.Loss : MetricsLine.Number(line, "loss"),
            TokensPerSecond = reporter.TokensPerSecond,
            Lambda = reporter.Lambda,
            EvaluationBefore = reporter.EvaluationBefore?.Correct,
            EvaluationProblems = reporter.EvaluationBefore?.Problems ?? 0,
        });
        Post(() => protocol.Reported(step));
    }

    private async Task ComputeGradients(int step)
    {
        await steps.Compute(Plan!, step);
        Post(() => protocol.GradientsComputed(step));
    }

    private async Task Prepare(string silo, int step)
    {
        var reply = Accept(await context.Agent(silo).Prepare(context.Request.RunId, context.Generation, step));
        Post(() =>
        {
            steps.Measured(reply.Measures);
            return protocol.Prepared(silo, step);
        });
    }

    private async Task Apply(string silo, int step)
    {
        var message = steps.ApplyMessage(Plan!, step);
        records[step] = message.Record;
        var reply = Accept(await context.Agent(silo).Apply(message));
        Post(() =>
        {
            steps.CheckHashes(step, reply.Hashes);
            var effects = protocol.Applied(silo, step);
            Committed |= protocol.Stable == step;
            return effects;
        });
    }

    /// <summary>A silo of the plan is gone, or a new one has come: the generation ends.</summary>
    private async Task CheckMembership()
    {
        var live = await context.Roster.Live();
        foreach (var (name, address) in context.Live)
        {
            if (!live.TryGetValue(name, out var now) || !now.Equals(address)) End(new SiloUnavailableException($"silo {name} is gone"));
        }

        if (live.Keys.Except(context.Live.Keys).FirstOrDefault() is { } joined && protocol.Active) End(new SiloUnavailableException($"silo {joined} has joined"));
    }

    private static AgentReply Accept(AgentReply reply) => reply.Accepted ? reply : throw new InvalidOperationException(reply.Reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "run {RunId}: silo {Silo} does not answer ({Reason}); it is declared dead")]
    private partial void LogSiloSilent(string runId, string silo, string reason);
}
