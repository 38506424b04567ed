using Microsoft.Extensions.Logging;
using Orleans.Runtime;
using Orleans.Storage;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.Terms;

namespace Peft.Orleans.Grains.Runs;

/// <summary>
/// A run's record in the cluster's store. A store that is away pauses the run: its state stays in the silos' memory, and the write is tried
/// again until there is a store.
/// </summary>
internal sealed partial class DurableRecord(
    IPersistentState<RunRecord> record, RunProgress progress, RunServices services, CancellationToken abandoned)
{
    private readonly ILogger log = services.Loggers.CreateLogger<DurableRecord>();

    /// <summary>As it is here.</summary>
    internal RunRecord Now => record.State;

    /// <summary>Whether another coordinator of the run has written since: this one has nothing more to say.</summary>
    internal bool Superseded { get; private set; }

    /// <summary>Writes it.</summary>
    /// <exception cref="OperationCanceledException">The coordinator was deactivated, or another has written.</exception>
    internal Task Write() => Patiently(async () =>
    {
        try
        {
            await record.WriteStateAsync();
        }
        catch (InconsistentStateException)
        {
            await WriteOver();
        }
    });

    /// <summary>Does something that needs the store, as often as it takes.</summary>
    internal async Task Patiently(Func<Task> work)
    {
        RunStatus? before = null;
        while (true)
        {
            try
            {
                await work();
                if (before is not null) progress.Note(_ => before);
                return;
            }
            catch (Exception error) when (error is not PeftException and not OperationCanceledException)
            {
                if (before is null) LogAway(progress.Status.RunId, error.Message);
                before ??= progress.Status;
                progress.Note(status => status with
                {
                    State = RunState.Paused,
                    Message = $"the cluster's store cannot be reached; when it is back, the run continues by itself ({error.Message})",
                });
                await Task.Delay(ClusterTimes.Current.RetryLongest, services.Time, abandoned);
            }
        }
    }

    /// <summary>
    /// What is stored is not what this coordinator read or wrote last. Either its own write arrived though the answer did not, or the store
    /// has lost its last writes: then it is written again. Or another coordinator has drawn a term.
    /// </summary>
    private async Task WriteOver()
    {
        var mine = record.State;
        await record.ReadStateAsync();
        var stored = record.State.Term;
        if (stored.Counter > mine.Term.Counter || (stored.Counter == mine.Term.Counter && stored != mine.Term))
        {
            Superseded = true;
            throw new OperationCanceledException($"another coordinator has drawn term {stored}");
        }

        record.State = mine;
        await record.WriteStateAsync();
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "run {RunId}: the cluster's store cannot be reached; the run waits: {Reason}")]
    private partial void LogAway(string runId, string reason);
}
