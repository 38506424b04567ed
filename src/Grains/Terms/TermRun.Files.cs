using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Grains.RunFiles;

namespace Peft.Orleans.Grains.Terms;

/// <summary>What a term writes: snapshots, the best adapter, the final one.</summary>
internal sealed partial class TermRun
{
    /// <summary>Folder with the parts of the best adapter, where the run keeps it.</summary>
    internal string? BestParts => context.Spec.Training.EarlyStopping.KeepBest ? reporter.Best.Folder : null;

    /// <summary>Writes a snapshot of the stable version, unless a valid one is there.</summary>
    internal async Task Snapshot(int step)
    {
        if (snapshots.Read(step) is not null) return;
        reporter.Sync();
        var folder = snapshots.Begin(step, context.Term.Nonce.ToString("N")[..8]);
        var files = new Dictionary<string, string>();
        var replies = await Task.WhenAll(FirstSilos().Select(silo =>
            context.Agent(silo).WriteSnapshot(context.Request.RunId, context.Term, step, folder)));
        foreach (var reply in replies.Select(Accept))
        {
            foreach (var (file, sha256) in reply.Files) files[file] = sha256;
        }

        await Task.Run(() => snapshots.Commit(step, folder, files, runHash, steps.Records.GetValueOrDefault(step, ""), context.Spec.Snapshots.Keep));
        reporter.Event("snapshot", new { step });
    }

    /// <summary>Lets the agents write the adapter of the stable version into a folder.</summary>
    internal async Task WriteAdapter(int step, string folder)
    {
        foreach (var reply in await Task.WhenAll(FirstSilos().Select(silo =>
            context.Agent(silo).WriteAdapter(context.Request.RunId, context.Term, step, folder)))) Accept(reply);
    }

    /// <summary>Peak resident memory of every silo's process.</summary>
    internal async Task<Dictionary<string, long>> PeakMemory()
    {
        var peaks = new Dictionary<string, long>();
        foreach (var silo in context.Live.Keys) peaks[silo] = (await context.Agent(silo).Describe()).PeakResidentBytes;
        return peaks;
    }

    private async Task KeepBest(int step)
    {
        var written = $"{reporter.Best.FolderOf(step)}.{context.Term.Nonce.ToString("N")[..8]}.tmp";
        Directory.CreateDirectory(written);
        await WriteAdapter(step, written);
        reporter.Best.Keep(step, written);
        reporter.Event("best", new { step });
    }

    private Task OnDisk(Action work) => OnDisk(() =>
    {
        work();
        return Task.CompletedTask;
    });

    /// <summary>
    /// Work on files. A full disk pauses the run where it is: all state stays in the silos' memory, and the work is tried again until there is room.
    /// </summary>
    internal async Task OnDisk(Func<Task> work)
    {
        var paused = false;
        while (true)
        {
            try
            {
                await work();
                if (paused) Progress?.Invoke(static status => status with { State = RunState.Running, Message = "training" });
                return;
            }
            catch (Exception error) when (DiskSpace.IsExhausted(error))
            {
                if (!paused) LogDiskFull(context.Request.RunId, context.Request.Folder);
                paused = true;
                Progress?.Invoke(status => status with
                {
                    State = RunState.Paused,
                    Message = $"the disk of {context.Request.Folder} is full; make room there, and the run continues by itself",
                });
                await Task.Delay(DiskSpace.RetryAfter, context.Abandoned);
            }
        }
    }
}
