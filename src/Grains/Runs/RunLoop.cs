using Microsoft.Extensions.Logging;
using Orleans.Runtime;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Adapters;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Grains.Figures;
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
    private readonly DurableRecord record;
    private readonly RunServices services;
    private readonly IAgents agents;
    private readonly ILogger log;
    private readonly RunRequest request;
    private readonly ResolvedRun run;
    private readonly RunSpec spec;
    private readonly StatusFile file;
    private readonly RunProgress progress;
    private readonly RunInstruments figures;
    private readonly RunRetries retries;
    private readonly Departures departures;
    private readonly CancellationToken siloStops;
    private readonly FolderCopy copy = new();
    private readonly CancellationTokenSource abandoned = new();
    private readonly SemaphoreSlim membership = new(0);
    private TermRun? term;
    private bool recovering;
    private bool mending;
    private bool stopAsked;
    private bool stopSnapshot;

    internal RunLoop(IPersistentState<RunRecord> record, RunServices services, bool recovering, CancellationToken siloStops)
    {
        this.recovering = recovering;
        this.siloStops = siloStops;
        this.services = services;
        agents = services.Agents;
        log = services.Loggers.CreateLogger<RunLoop>();
        request = record.State.Request!;
        run = record.State.Run!;
        spec = run.Spec;
        file = new StatusFile(new RunFolder(request.Folder), request.RunId, log);
        retries = new RunRetries(services.Time, abandoned.Token);
        departures = new Departures(agents);
        progress = new RunProgress(record.State.Status! with { State = RunState.Starting, Message = "opening the data set" });
        this.record = new DurableRecord(record, progress, services, abandoned.Token);
        figures = new RunInstruments(services.Board, run, () => progress.Status, recovering);
        figures.Elastic.Without(() => agents.LeftOut.Count, () => agents.Outside.Count);
    }

    internal RunStatus Status => progress.Status;

    /// <summary>The lines of metrics.jsonl; null: the folder has them.</summary>
    internal IReadOnlyList<string>? MetricsLines => copy.Metrics.Whole ? copy.Metrics.Lines : null;

    internal SeatPlan? Plan => term is { Term: { Planned: true } context } ? context.Plan : null;

    internal bool Ended { get; private set; }

    /// <summary>Whether the run goes on elsewhere: this silo leaves.</summary>
    internal bool Left { get; private set; }

    /// <summary>The silo where it goes on; null: whichever brings it to life.</summary>
    internal SiloAddress? GoesTo { get; private set; }

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

    /// <summary>A silo was told to leave; whether it may.</summary>
    internal async Task<bool> Leave(SiloAddress silo)
    {
        // Between two terms nothing is known; while the run waits for silos, whoever stays has a copy of every layer.
        // Gone elsewhere, its coordinator there says when nothing of the silo is needed any more.
        if (term is not { } running) return Ended || (Left && GoesTo is null) || Status.State == RunState.Paused;
        var departure = await departures.Advance(running, silo);
        // With the last silo all would be lost since the last snapshot.
        if (departure == Departure.IsTheLast) AskStop(snapshot: true);
        return departure == Departure.Free;
    }

    /// <summary>Looks whether the silos reach each other; whoever is evicted changes the membership, and so ends the term.</summary>
    internal async Task MendLinks()
    {
        if (mending || Ended || siloStops.IsCancellationRequested || abandoned.IsCancellationRequested) return;
        mending = true;
        try
        {
            foreach (var silo in await agents.Mend()) term?.Journals.Event(RunEvents.Evicted, new { silo });
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
        using var span = Traces.Begin(Traces.Run, ("run", request.RunId));
        try
        {
            var model = ModelFolder.Open(spec.Model.Path);
            // A client far away does not see the silos' files; once a step is done, nothing starts from the adapter any more.
            if (Status.Step == 0 && spec.Method.InitialAdapter is { } adapter)
                AdapterFolder.Read(adapter).CheckStart(spec.Method, model, static _ => RunFolder.RunFileName);
            var summary = await retries.UntilReached(() => RunData.Open(agents, run, request.Folder));
            progress.Note(status => status with { Steps = summary.Steps });
            file.Write(Status);
            while (!Ended && !Left)
            {
                if (departures.OwnIsFree) await Leave();
                else if (stopAsked && Status.State != RunState.Running)
                    await End(RunState.Stopped, "stopped before the next step; resume continues from the last snapshot");
                else if (await EnoughSilos() && await retries.Term(() => OneTerm(summary)) is { } outcome)
                    await Conclude(outcome);
            }
        }
        catch (OperationCanceledException) when (abandoned.IsCancellationRequested || record.Superseded)
        {
            return;
        }
        catch (Exception error) when (siloStops.IsCancellationRequested)
        {
            // Nothing can be reached from a silo that shuts down. The run is no less alive: another silo wakes it up.
            LogLeft(request.RunId, error.Message);
            Left = true;
        }
        catch (Exception error)
        {
            LogFailed(error, request.RunId);
            await End(RunState.Failed, error is PeftException ? error.Message : $"{error.GetType().Name}: {error.Message}");
        }
        finally
        {
            figures.Close(Ended, span);
        }
    }

    private async Task Leave()
    {
        LogLeft(request.RunId, "told to leave, between two steps");
        GoesTo = await departures.PlaceToStay();
        Left = true;
    }

    /// <summary>Draws a term and carries it out, with what follows its last step.</summary>
    private async Task<TermOutcome> OneTerm(DatasetSummary summary)
    {
        // The data set may have gone with a silo: it is opened again wherever it comes to life.
        await RunData.Open(agents, run, request.Folder, await departures.PlaceToStay());
        var live = await agents.Live();
        var drawn = new Term(record.Now.Term.Counter + 1, Guid.NewGuid());
        record.Now.Term = drawn;
        record.Now.Recoveries += recovering ? 1 : 0;
        await record.Write();
        progress.Note(status => status with { Term = drawn.Counter, Recoveries = record.Now.Recoveries, Silos = live.Count });
        using var running = new TermRun(
            new TermContext(request, run, summary, drawn, live, recovering, progress, figures, abandoned.Token, siloStops) { Copy = copy },
            services);
        recovering = true;
        term = running;
        if (stopAsked) running.AskEnd(EndRequest.Stop);
        using var span = running.BeginSpan();
        try
        {
            var outcome = await running.Run();
            if (stopAsked && outcome is TermOutcome.Replan replan) outcome = new TermOutcome.Stopped(replan.Step);
            outcome = await new RunEnding(running, services.Loggers).Follow(outcome, stopSnapshot);
            if (outcome is TermOutcome.Lost lost)
            {
                figures.Progress.Lost();
                span.Fail(lost.Error);
                LogTermEnded(request.RunId, drawn.Counter, lost.Error.GetType().Name, lost.Error.Message);
                var reason = LossReason.Of(lost.Error, running.Term.Live);
                running.Journals.Event(RunEvents.TermEnded, new { term = drawn.Counter, reason });
                if (await Evictions.Follow(lost.Error, running, agents)) return outcome;
                // Without progress it may be a cut that membership does not see.
                if (!lost.Progress) await MendLinks();
            }

            return outcome;
        }
        finally
        {
            term = null;
        }
    }

    /// <summary>
    /// What a term's end means for the run; a term lost with progress, and one that makes room for silos, for nothing but the next term.
    /// </summary>
    private async Task Conclude(TermOutcome outcome)
    {
        switch (outcome)
        {
            case TermOutcome.Finished:
                await End(RunState.Completed, Status.Message);
                break;
            case TermOutcome.Stopped stopped:
                await End(
                    RunState.Stopped,
                    $"stopped after step {stopped.Step}; `peft-client resume {request.RunId}` continues"
                    + (stopSnapshot ? "" : " from the last snapshot"));
                break;
            case TermOutcome.Refused refused:
                throw refused.Error;
            case TermOutcome.Waiting waiting:
                await WaitForSilos(waiting.Silos);
                break;
            case TermOutcome.Replan:
                // Silos have come: the next term is no recovery.
                recovering = false;
                break;
            case TermOutcome.Lost { Progress: false } lost:
                throw new InvalidOperationException(
                    $"{RunRetries.Attempts} terms in a row ended without progress, the last one: {lost.Error.Message}", lost.Error);
        }
    }

    private async Task<bool> EnoughSilos()
    {
        while (membership.CurrentCount > 0) await membership.WaitAsync();
        var live = await agents.Live();
        if (live.Count >= spec.Elastic.MinSilos) return true;
        await WaitForSilos(live.Count);
        return false;
    }

    private async Task WaitForSilos(int silos)
    {
        var leftOut = string.Join("; ", agents.LeftOut.Values);
        if (silos == 0 && leftOut.Length > 0) throw new PeftException($"no silo can take part in the run: {leftOut}");
        progress.Note(status => status with
        {
            State = RunState.Paused,
            Message = $"waiting for silos: {silos} of at least {spec.Elastic.MinSilos} (elastic.min_silos) are alive"
                + (leftOut.Length > 0 ? $"; left out: {leftOut}" : ""),
        });
        file.Write(Status);
        await membership.WaitAsync(abandoned.Token);
    }

    private async Task End(RunState state, string message)
    {
        progress.Note(status => status with { State = state, Message = message });
        var status = record.Now.Status = Status;
        file.Write(Status);
        try
        {
            await record.Write();
            await record.Patiently(() => agents.Report(status));
        }
        finally
        {
            Ended = true;
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "run {RunId} goes on elsewhere, or when it is resumed ({Reason})")]
    private partial void LogLeft(string runId, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "run {RunId} failed")]
    private partial void LogFailed(Exception error, string runId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "run {RunId}: term {Term} ended: {Kind}: {Reason}")]
    private partial void LogTermEnded(string runId, int term, string kind, string reason);
}
