using System.Diagnostics;
using Peft.Orleans.Core.Metrics;

namespace Peft.Orleans.Grains.Figures;

/// <summary>What a run writes.</summary>
internal sealed class StorageInstruments
{
    private readonly FigureSet figures;
    private readonly DiskRoom room;
    private readonly Lock gate = new();
    private long? waitingSince;
    private double waited;

    internal StorageInstruments(FigureSet figures, string folder)
    {
        (this.figures, room) = (figures, new DiskRoom(folder));
        figures.Ask(StorageMetrics.DiskWaitTime, () => Waited);
        Folder(available: true);
        figures.Ask(StorageMetrics.Free, () => room.Now?.Free);
        figures.Ask(StorageMetrics.Size, () => room.Now?.Size);
    }

    private double? Waited
    {
        get
        {
            lock (gate) return waited + (waitingSince is { } since ? Stopwatch.GetElapsedTime(since).TotalSeconds : 0);
        }
    }

    /// <summary>Whether the run folder can be written.</summary>
    internal void Folder(bool available) => figures.Set(StorageMetrics.FolderAvailable, available ? 1 : 0);

    /// <summary>Something could not be written.</summary>
    /// <param name="operation">One of <see cref="MetricLabel.StorageOperation"/>.</param>
    internal void Failed(string operation) => figures.Add(StorageMetrics.Failures, 1, operation);

    /// <summary>The run waits for room, until the result is disposed.</summary>
    internal IDisposable WaitForRoom()
    {
        figures.Add(StorageMetrics.DiskWaits, 1);
        lock (gate) waitingSince ??= Stopwatch.GetTimestamp();
        return new Wait(this);
    }

    /// <summary>A snapshot is written.</summary>
    internal void Snapshot(TimeSpan time, long bytes)
    {
        figures.Record(StorageMetrics.SnapshotDuration, time.TotalSeconds);
        figures.Add(StorageMetrics.Snapshots, 1);
        figures.Add(StorageMetrics.SnapshotBytes, bytes);
    }

    private void Resume()
    {
        lock (gate)
        {
            if (waitingSince is { } since) waited += Stopwatch.GetElapsedTime(since).TotalSeconds;
            waitingSince = null;
        }
    }

    private sealed class Wait(StorageInstruments of) : IDisposable
    {
        public void Dispose() => of.Resume();
    }
}
