using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Concurrency;
using Orleans.Runtime;
using Orleans.Runtime.Placement;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Runs;
using Peft.Orleans.Grains.Membership;
using Peft.Orleans.Grains.RunFiles;
using Peft.Orleans.Grains.Terms;
using SiloStatus = Peft.Orleans.Core.Cluster.SiloStatus;

namespace Peft.Orleans.Grains.Runs;

/// <summary>The coordinator of one run: single writer of its durable record; its loop makes the steps.</summary>
/// <remarks>The grain type is stored with the record: it stays, whatever the class is called.</remarks>
[GrainType("run")]
[Reentrant, KeepAlive]
internal sealed partial class RunGrain(
    [PersistentState("run", "runs")] IPersistentState<RunRecord> record,
    Coordination coordination,
    SiloIdentity self,
    IHostApplicationLifetime host,
    ILogger<RunGrain> log) : Grain, IRunGrain, IRemindable
{
    private const string Wake = "wake";

    private readonly SemaphoreSlim starts = new(1, 1);
    private RunLoop? loop;

    /// <inheritdoc/>
    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        // Brought back to life after its silo died: go on by itself.
        if (
            record.State is
            {
                Request: not null,
                Run: not null,
                Status.State: RunState.Starting or RunState.Running or RunState.Paused or RunState.Finishing
            }
        )
            Begin(coordination.Of(this.GetPrimaryKeyString()), recovering: true);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        loop?.Abandon();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task<RunStatus> Start(RunRequest request)
    {
        // One at a time: calls interleave in this grain, and a run has one loop.
        await starts.WaitAsync();
        try
        {
            var known = record.State.Run;
            var run = await Task.Run(() => RunCreation.Resolve(request, known, self.Threads));
            return await StartAlone(request with { RunYaml = run.Yaml }, run);
        }
        finally
        {
            starts.Release();
        }
    }

    /// <inheritdoc/>
    public Task<RunStatus> GetStatus() => Task.FromResult(
        loop?.Status ?? record.State.Status ?? throw new PeftException($"no run {this.GetPrimaryKeyString()} on this cluster"));

    /// <inheritdoc/>
    public Task<IReadOnlyList<string>> GetMetrics(int step)
    {
        var folder = record.State.Request?.Folder ?? throw new PeftException($"no run {this.GetPrimaryKeyString()} on this cluster");
        var lines = loop?.MetricsLines ?? Journal.ReadValid(new RunFolder(folder).Metrics);
        return Task.FromResult<IReadOnlyList<string>>([.. lines.Where(line => StepLines.Read(line)?.Step > step).Take(1000)]);
    }

    /// <inheritdoc/>
    public Task Stop(bool snapshot)
    {
        loop?.AskStop(snapshot);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<SiloStatus>> GetSilos()
    {
        var silos = await GrainFactory.GetGrain<IClusterGrain>(0).Silos();
        // The plan as it is now, not as it was when the silos were asked.
        if (loop?.Plan is not { } plan) return silos;
        return [.. silos.Select(silo => plan.ActiveLayersOn(silo.Name) is { Length: > 0 } layers && silo.Pid != 0
            ? silo with { Layers = layers, Replica = plan.ReplicaOf(silo.Name), Standby = false }
            : silo)];
    }

    /// <inheritdoc/>
    public Task MembershipChanged()
    {
        loop?.MembershipChanged();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task PeerUnreachable(string from, string to) => loop?.MendLinks() ?? Task.CompletedTask;

    /// <summary>
    /// Comes as long as the run is under way, and brings the coordinator to life where nobody else does: after the death of all silos.
    /// </summary>
    public async Task ReceiveReminder(string reminderName, TickStatus status)
    {
        if (loop is { Ended: false }) return;
        if (await this.GetReminder(reminderName) is { } reminder) await this.UnregisterReminder(reminder);
    }

    /// <inheritdoc/>
    public Task<bool> Leave(string incarnation) =>
        loop?.Leave(SiloAddress.FromParsableString(incarnation)) ?? Task.FromResult(true);

    private async Task<RunStatus> StartAlone(RunRequest request, ResolvedRun run)
    {
        if (record.State.Request is { } known && known.RunYaml != request.RunYaml)
            throw new PeftException(
                $"run {request.RunId} exists with another run file; choose another run id, or resume it with the file it was created with"
            );
        if (loop is { Ended: false })
            return loop.Status;
        if (record.State.Status is { } before && before.State is RunState.Completed)
            return before;
        if (record.State.Status is not null && record.State.Request is not null && !request.Resume)
            return record.State.Status;
        using var data = await RunCreation.Check(request, run);
        var services = coordination.Of(this.GetPrimaryKeyString());
        await RunCreation.CheckThreads(run, (await services.Agents.Live()).Values.Select(services.Agents.At));
        RunCreation.MakeFolder(request);
        await Task.Run(() =>
        {
            data?.SaveIndex(request.Folder);
            RunInputs.CheckAll(request.Folder, run.Spec);
            RunInputs.Record(request.Folder, run.Spec);
        });
        var status = new RunStatus
        {
            RunId = request.RunId,
            Folder = request.Folder,
            State = RunState.Starting,
            Created = DateTimeOffset.UtcNow,
        };
        await services.Agents.Report(status);
        await this.RegisterOrUpdateReminder(Wake, ClusterTimes.Current.Wake, ClusterTimes.Current.Wake);
        await Record(new RunRecord
        {
            Request = request,
            Run = run,
            Status = status,
            Term = record.State.Term,
            Recoveries = record.State.Recoveries,
        });
        return Begin(services, recovering: false);
    }

    /// <summary>Writes the record; what could not be written has not happened.</summary>
    private async Task Record(RunRecord next)
    {
        var before = record.State;
        record.State = next;
        try
        {
            await record.WriteStateAsync();
        }
        catch
        {
            record.State = before;
            throw;
        }
    }

    private RunStatus Begin(RunServices services, bool recovering)
    {
        loop = new RunLoop(record, services, recovering, host.ApplicationStopping);
        _ = Watch(loop);
        return loop.Status;
    }

    private async Task Watch(RunLoop running)
    {
        try
        {
            await running.Run();
            if (running.Ended) return;
            // Left to Orleans, it might come to life here again, where it had just left.
            if (running.GoesTo is { } place)
            {
                RequestContext.Set(IPlacementDirector.PlacementHintKey, place);
                this.MigrateOnIdle();
            }
            else
            {
                // The run goes on elsewhere: who asks here next is to be told so.
                DeactivateOnIdle();
            }
        }
        catch (Exception error)
        {
            LogLoopFailed(error, this.GetPrimaryKeyString());
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "run {RunId}: the coordinator's loop ended by an error")]
    private partial void LogLoopFailed(Exception error, string runId);
}
