using Microsoft.Extensions.Logging;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.RunFiles;

namespace Peft.Orleans.Grains.Terms;

/// <summary>
/// Work on files. A full disk pauses the run where it is: all state stays in the silos' memory, and the work is tried again until there is
/// room.
/// </summary>
internal sealed partial class DiskPatience(TermContext term, TimeProvider time, ILogger log)
{
    /// <summary>Does the work, as often as it takes.</summary>
    internal async Task Do(Func<Task> work)
    {
        var paused = false;
        while (true)
        {
            try
            {
                await work();
                if (paused) term.Progress.Note(static status => status with { State = RunState.Running, Message = "training" });
                return;
            }
            catch (Exception error) when (DiskSpace.IsExhausted(error))
            {
                if (!paused) LogDiskFull(term.RunId, term.Request.Folder);
                paused = true;
                term.Progress.Note(status => status with
                {
                    State = RunState.Paused,
                    Message = $"the disk of {term.Request.Folder} is full; make room there, and the run continues by itself",
                });
                await Task.Delay(DiskSpace.RetryAfter, time, term.Abandoned);
            }
        }
    }

    /// <summary>The same of work that waits for nobody.</summary>
    internal Task Do(Action work) => Do(() =>
    {
        work();
        return Task.CompletedTask;
    });

    [LoggerMessage(Level = LogLevel.Warning, Message = "run {RunId}: the disk of {Folder} is full; the run waits")]
    private partial void LogDiskFull(string runId, string folder);
}
