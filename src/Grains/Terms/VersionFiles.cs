using System.Diagnostics;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.RunFiles;

namespace Peft.Orleans.Grains.Terms;

/// <summary>What silos write of a stable version: snapshots, the best adapter, the final one.</summary>
internal sealed class VersionFiles(TermContext term, IAgents agents, RunJournals journals, DiskPatience disk)
{
    private readonly SnapshotStore snapshots = new(term.Folder);

    /// <summary>Folder with the parts of the best adapter, where the run keeps it.</summary>
    internal string? BestParts => term.Spec.Training.EarlyStopping.KeepBest ? journals.Best.Folder : null;

    /// <summary>Whether a snapshot is due by its step, or because the folder was made anew.</summary>
    internal bool IsDue(int step) => journals.Rebuilt || (term.Spec.Snapshots.Every is > 0 and var every && step % every == 0);

    /// <summary>Writes a snapshot, unless a valid one is there; without a folder it is left to the time when there is one.</summary>
    internal Task Snapshot(int step) => disk.DoWithFolder("snapshot", async () =>
    {
        if (snapshots.Read(step) is not null) return;
        var began = Stopwatch.GetTimestamp();
        await journals.Sync();
        var folder = snapshots.Begin(step, term.Writer);
        var files = new Dictionary<string, string>();
        var replies = await Task.WhenAll(term.FirstSilos.Select(silo =>
            agents.At(term.Live[silo]).WriteSnapshot(term.RunId, term.Term, step, folder)));
        foreach (var reply in replies)
        {
            foreach (var (file, sha256) in reply.Obeyed().Files) files[file] = sha256;
        }

        var record = term.Records.GetValueOrDefault(step);
        await Task.Run(() => snapshots.Commit(
            step, folder, files, term.Run.Hash, record, term.Spec.Snapshots.Keep));
        journals.Rebuilt = false;
        term.Figures.Storage.Snapshot(Stopwatch.GetElapsedTime(began), snapshots.BytesOf(step));
        term.Figures.Elastic.Snapshot(step, TimeSpan.Zero);
        journals.Event(RunEvents.Snapshot, new { step });
    });

    /// <summary>Lets the agents write a version's adapter into a folder, a file per layer; a full disk is the caller's to bear.</summary>
    internal async Task WriteAdapter(int step, string folder)
    {
        var replies = await Task.WhenAll(term.FirstSilos.Select(silo =>
            agents.At(term.Live[silo]).WriteAdapter(term.RunId, term.Term, step, folder)));
        foreach (var reply in replies) reply.Obeyed();
    }

    /// <summary>Keeps a version's adapter as the best.</summary>
    internal Task KeepBest(int step) => disk.Do("adapter", async () =>
    {
        var written = $"{term.Folder.BestOf(step)}.{term.Writer}.tmp";
        Directory.CreateDirectory(written);
        await WriteAdapter(step, written);
        journals.Best.Keep(step, written);
        journals.Event(RunEvents.Best, new { step });
    });
}
