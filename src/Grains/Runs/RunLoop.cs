using Microsoft.Extensions.Logging;
using Orleans.Runtime;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Adapters;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Grains.Membership;
using Peft.Orleans.Grains.RunFiles;
using Peft.Orleans.Grains.Terms;
using Polly;

namespace Peft.Orleans.Grains.Runs;

/// <summary>
/// The life of a run: opens its data and files, then one term after the other until it is finished, stopped or failed. A term
/// that made progress before it ended starts the retries anew.
/// </summary>
internal sealed partial class RunLoop
{
    private readonly IPersistentState<RunRecord> record;
    private readonly IGrainFactory grains;
    private readonly ISiloAgents agents;
    private readonly ClusterRoster roster;
    private readonly SiloLinks links;
    private readonly ICoordinatorObserver observer;
    private readonly ILoggerFactory loggers;
    private readonly ILogger log;
    private readonly RunRequest request;
    private readonly ResolvedRun run;
    private readonly RunSpec spec;
    private readonly CancellationTokenSource abandoned = new();
    private readonly SemaphoreSlim membership = new(0);
    private TermRun? term;
    private readonly CancellationToken siloStops;
    private bool recovering;
    private bool mending;
    private bool stopAsked;
    private bool stopSnapshot;

    internal RunLoop(IPersistentState<RunRecord> record, IGrainFactory grains, ISiloAgents agents, ClusterRoster roster, SiloLinks links, ICoordinatorObserver observer, ILoggerFactory loggers, bool recovering, CancellationToken siloStops)
    {
        this.recovering = recovering;
        this.siloStops = siloStops;
        this.record = record;
        this.grains = grains;
        this.agents = agents;
        this.roster = roster;
        this.links = links;
        this.observer = observer;
        this.loggers = loggers;
        log = loggers.CreateLogger<RunLoop>();
        request = record.State.Request!;
        run = record.State.Run!;
        spec = run.Spec;
        Status = record.State.Status! with { State = RunState.Starting, Message = "opening the data set" };
    }

    internal RunStatus Status { get; private set; }

    internal SeatPlan? Plan => term?.Plan;

    internal bool Ended { get; private set; }

    internal void AskStop(bool snapshot)
    {
        stopAsked = true;
        stopSnapshot |= snapshot;
        term?.AskEnd(EndRequest.Stop);
        membership.Release();
    }

    internal void MembershipChanged()
    {
        term?.MembershipChanged();
        membership.Release();
    }

    /// <summary>Looks whether the silos reach each other; whoever is evicted changes the membership, and so ends the term.</summary>
    internal async Task MendLinks()
    {
        if (mending || Ended || siloStops.IsCancellationRequested || abandoned.IsCancellationRequested) return;
        mending = true;
        try
        {
            foreach (var silo in await links.Mend()) term?.Event("evicted", new { silo });
        }
        finally
        {
            mending = false;
        }
    }

    /// <summary>The grain is deactivated: nothing more is written.</summary>
    internal void Abandon()
    {
        abandoned.Cancel();
        term?.End(new OperationCanceledException("the coordinator was deactivated"));
    }

    internal async Task Run()
    {
        try
        {
            var model = ModelFolder.Open(spec.Model.Path);
            // A client far away does not see the silos' files; once a step is done, nothing starts from the adapter any more.
            if (Status.Step == 0 && spec.Method.InitialAdapter is { } adapter)
                AdapterFolder.Read(adapter).CheckStart(spec.Method, model, static _ => RunFolder.RunFileName);
            var data = grains.GetGrain<IDatasetGrain>(request.RunId);
            var summary = await Reached(() => data.Open(run, request.Folder));
            Status = Status with { Steps = summary.Steps };
            RunFolder.WriteStatus(Status);
            var finished = false;
            while (!finished)
            {
                if (stopAsked && Status.State != RunState.Running)
                {
                    await End(RunState.Stopped, "stopped before the next step; resume continues from the last snapshot");
                    return;
                }

                if (!await EnoughSilos()) continue;
                finished = await Retried(() => OneTerm(data, summary));
            }
        }
        catch (OperationCanceledException) when (abandoned.IsCancellationRequested)
        {
            return;
        }
        catch (Exception error) when (siloStops.IsCancellationRequested)
        {
            // Nothing can be reached from a silo that shuts down. The run is no less alive: another silo wakes it up.
            LogLeft(request.RunId, error.Message);
        }
        catch (Exception error)
        {
            LogFailed(error, request.RunId);
            await End(RunState.Failed, error is PeftException ? error.Message : $"{error.GetType().Name}: {error.Message}");
        }
    }

    /// <summary>A term that fails without progress is repeated with growing pauses, a few times; errors of the user are not.</summary>
    private static readonly ResiliencePipeline Retries = new ResiliencePipelineBuilder()
        .AddRetry(new Polly.Retry.RetryStrategyOptions
        {
            MaxRetryAttempts = 5,
            Delay = TimeSpan.FromMilliseconds(200),
            MaxDelay = TimeSpan.FromSeconds(3),
            BackoffType = DelayBackoffType.Exponential,
            ShouldHandle = new PredicateBuilder().Handle<Exception>(static error => error is not PeftException and not OperationCanceledException),
        })
        .Build();

    /// <summary>A grain may still lie on a silo that is shutting down, until that one has ended: some seconds.</summary>
    private static readonly ResiliencePipeline UntilReached = new ResiliencePipelineBuilder()
        .AddRetry(new Polly.Retry.RetryStrategyOptions
        {
            MaxRetryAttempts = 30,
            Delay = TimeSpan.FromMilliseconds(200),
            MaxDelay = TimeSpan.FromSeconds(2),
            BackoffType = DelayBackoffType.Exponential,
            ShouldHandle = new PredicateBuilder().Handle<SiloUnavailableException>().Handle<OrleansMessageRejectionException>(),
        })
        .Build();

    private Task<bool> Retried(Func<Task<bool>> work) => Through(Retries, work);

    private Task<T> Reached<T>(Func<Task<T>> call) => Through(UntilReached, call);

    private async Task<T> Through<T>(ResiliencePipeline pipeline, Func<Task<T>> work)
    {
        // Everything a grain does must stay on its own scheduler, the attempts after a pause too.
        var context = ResilienceContextPool.Shared.Get(continueOnCapturedContext: true, abandoned.Token);
        try
        {
            return await pipeline.ExecuteAsync(async _ => await work(), context);
        }
        finally
        {
            ResilienceContextPool.Shared.Return(context);
        }
    }

    /// <summary>One term; true when the run has ended in it.</summary>
    private async Task<bool> OneTerm(IDatasetGrain data, DatasetSummary summary)
    {
        // The data set may have gone with a silo: it is opened again wherever it comes to life.
        await data.Open(run, request.Folder);
        var live = await roster.Live();
        var drawn = new Term(record.State.Term.Counter + 1, Guid.NewGuid());
        record.State.Term = drawn;
        record.State.Recoveries += recovering ? 1 : 0;
        await record.WriteStateAsync();
        Status = Status with { Term = drawn.Counter, Recoveries = record.State.Recoveries, Silos = live.Count };
        using var running = new TermRun(new TermContext(request, run, drawn, live, links.Self, summary, data, grains, agents, roster, observer, abandoned.Token, siloStops, recovering), loggers);
        running.Progress += status => Status = status(Status);
        recovering = true;
        term = running;
        if (stopAsked) running.AskEnd(EndRequest.Stop);
        try
        {
            var (step, asked) = await running.Run();
            if (asked == EndRequest.Replan && !stopAsked)
            {
                // Silos have come: the next term is no recovery.
                recovering = false;
                return false;
            }

            var ending = new RunEnding(running, request, spec, loggers);
            if (asked != EndRequest.None && !running.StoppedEarly)
            {
                if (stopSnapshot) await running.OnDisk(() => running.Snapshot(step));
                await running.EndAgents();
                await End(RunState.Stopped, $"stopped after step {step}; `peft-client resume {request.RunId}` continues" + (stopSnapshot ? "" : " from the last snapshot"));
                return true;
            }

            Status = Status with { State = RunState.Finishing, Message = "writing the adapter" };
            var peaks = await running.PeakMemory();
            await running.OnDisk(async () => Status = await ending.Finish(step, Status with { State = RunState.Finishing, PeakMemory = peaks }));
            await running.EndAgents();
            await End(RunState.Completed, Status.Message);
            return true;
        }
        catch (Exception error) when (error is not PeftException && !abandoned.IsCancellationRequested)
        {
            LogTermEnded(request.RunId, drawn.Counter, error.GetType().Name, error.Message);
            running.Event("term_ended", new { term = drawn.Counter, reason = error.Message });
            // With progress the retries start anew; without, Polly counts.
            if (running.Committed) return false;
            // Without, it may be a cut that membership does not see.
            await MendLinks();
            throw new InvalidOperationException(error.Message, error);
        }
        finally
        {
            term = null;
        }
    }

    private async Task<bool> EnoughSilos()
    {
        while (membership.CurrentCount > 0) await membership.WaitAsync();
        var live = await roster.Live();
        if (live.Count >= spec.Elastic.MinSilos) return true;
        Status = Status with { State = RunState.Paused, Message = $"waiting for silos: {live.Count} of at least {spec.Elastic.MinSilos} (elastic.min_silos) are alive" };
        RunFolder.WriteStatus(Status);
        await membership.WaitAsync(abandoned.Token);
        return false;
    }

    private async Task End(RunState state, string message)
    {
        Status = Status with { State = state, Message = message };
        record.State.Status = Status;
        RunFolder.WriteStatus(Status);
        try
        {
            await record.WriteStateAsync();
            await Reached(async () =>
            {
                await grains.GetGrain<IRunCatalogGrain>(0).Report(Status);
                return true;
            });
        }
        finally
        {
            Ended = true;
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "run {RunId} goes on elsewhere, or when it is resumed: this silo shuts down ({Reason})")]
    private partial void LogLeft(string runId, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "run {RunId} failed")]
    private partial void LogFailed(Exception error, string runId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "run {RunId}: term {Term} ended: {Kind}: {Reason}")]
    private partial void LogTermEnded(string runId, int term, string kind, string reason);
}
