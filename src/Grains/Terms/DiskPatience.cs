using Microsoft.Extensions.Logging;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.RunFiles;

namespace Peft.Orleans.Grains.Terms;

/// <summary>
/// Work on files. A full disk pauses the run where it is: all state stays in the silos' memory, and the work is tried again until there is
/// room. So does a lost folder where there is no going on without it.
/// </summary>
internal sealed partial class DiskPatience(TermContext term, TimeProvider time, ILogger log)
{
    /// <summary>Does the work, as often as it takes.</summary>
    /// <param name="what">What it writes, one of <see cref="MetricLabel.StorageOperation"/>.</param>
    /// <param name="work">The work.</param>
    internal async Task Do(string what, Func<Task> work)
    {
        var paused = false;
        IDisposable? wait = null;
        while (true)
        {
            try
            {
                await work();
                wait?.Dispose();
                if (paused) term.Progress.Note(static status => status with { State = RunState.Running, Message = "training" });
                return;
            }
            catch (Exception error) when (Failed(what, error) && (DiskSpace.IsExhausted(error) || FolderLoss.Is(error)))
            {
                wait ??= term.Figures.Storage.WaitForRoom();
                var full = DiskSpace.IsExhausted(error);
                if (!paused) LogWaits(term.RunId, full ? $"the disk of {term.Request.Folder} is full" : error.Message);
                paused = true;
                term.Progress.Note(status => status with
                {
                    State = RunState.Paused,
                    Message = full
                        ? $"the disk of {term.Request.Folder} is full; make room there, and the run continues by itself"
                        : $"{term.Request.Folder} cannot be written ({error.Message}); make it writable, and the run continues by itself",
                });
                await Task.Delay(DiskSpace.RetryAfter, time, term.Abandoned);
            }
        }
    }

    /// <summary>The same of work that is left undone where the folder is lost, and comes again by itself.</summary>
    internal Task DoWithFolder(string what, Func<Task> work) => Do(what, async () =>
    {
        try
        {
            if (!term.Copy.Away) await work();
        }
        catch (Exception error) when (FolderLoss.Is(error) && !DiskSpace.IsExhausted(error))
        {
            Failed(what, error);
            LogWithout(term.RunId, error.Message);
        }
    });

    /// <summary>The same of work that waits for nobody.</summary>
    internal Task Do(string what, Action work) => Do(what, () =>
    {
        work();
        return Task.CompletedTask;
    });

    private bool Failed(string what, Exception error)
    {
        // A silo that is lost, or a term that is over, says nothing of the storage.
        if (error is IOException or UnauthorizedAccessException || DiskSpace.IsExhausted(error)) term.Figures.Storage.Failed(what);
        return true;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "run {RunId} waits: {Reason}")]
    private partial void LogWaits(string runId, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "run {RunId}: its folder cannot be written, which is left for later: {Reason}")]
    private partial void LogWithout(string runId, string reason);
}
