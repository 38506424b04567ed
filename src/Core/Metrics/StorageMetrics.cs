namespace Peft.Orleans.Core.Metrics;

/// <summary>What runs write.</summary>
public static class StorageMetrics
{
    /// <summary>Time of a snapshot.</summary>
    public static Metric SnapshotDuration { get; } = new("peft.snapshot.duration", MetricKind.Histogram, MetricOwner.Run)
    {
        Unit = "s",
        Buckets = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500],
        Meaning = "until a snapshot is written, checked and visible",
        Bad = "near the time between two snapshots: training waits for storage",
        Optional = true,
    };

    /// <summary>Snapshots.</summary>
    public static Metric Snapshots { get; } = new("peft.snapshots", MetricKind.Counter, MetricOwner.Run)
    {
        Meaning = "snapshots written",
        Bad = "it stands still while steps go on",
    };

    /// <summary>Bytes of snapshots.</summary>
    public static Metric SnapshotBytes { get; } = new("peft.snapshot.written", MetricKind.Counter, MetricOwner.Run)
    {
        Unit = "By",
        Meaning = "bytes of snapshots written",
        Bad = "more a day than the storage has room for",
    };

    /// <summary>Failures.</summary>
    public static Metric Failures { get; } = new("peft.storage.failures", MetricKind.Counter, MetricOwner.Run)
    {
        Label = MetricLabel.StorageOperation,
        Meaning = "writes into the run folder that failed, full disks among them",
        Bad = "any: the run folder's storage is full or out of reach",
    };

    /// <summary>Waits for room.</summary>
    public static Metric DiskWaits { get; } = new("peft.disk.waits", MetricKind.Counter, MetricOwner.Run)
    {
        Meaning = "times that the run paused for room on its disk",
        Bad = "any: the disk was full",
    };

    /// <summary>Time of these waits.</summary>
    public static Metric DiskWaitTime { get; } = new("peft.disk.wait", MetricKind.Counter, MetricOwner.Run)
    {
        Unit = "s",
        Meaning = "time that the run paused for room on its disk, a pause under way included",
        Bad = "it grows: the disk is full now",
    };

    /// <summary>Whether the cluster's store answers.</summary>
    public static Metric StoreAvailable { get; } = new("peft.store.available", MetricKind.Gauge, MetricOwner.Silo)
    {
        Meaning = "1 where the cluster's store (Redis, PostgreSQL) answered this silo when it was last asked, else 0",
        Bad = "0: silos go on, and neither join nor draw terms until it is back",
        Optional = true,
    };

    /// <summary>Whether a run's folder can be written.</summary>
    public static Metric FolderAvailable { get; } = new("peft.run.folder_available", MetricKind.Gauge, MetricOwner.Run)
    {
        Meaning = "1 while the run folder can be written, 0 while the run goes on in memory without it",
        Bad = "0: its storage is gone; should all silos die now, the steps since the last snapshot are lost",
    };

    /// <summary>Free space.</summary>
    public static Metric Free { get; } = new("peft.run_folder.free", MetricKind.Gauge, MetricOwner.Run)
    {
        Unit = "By",
        Meaning = "room left on the file system of the run folder",
        Bad = "less than two snapshots: the run will pause",
    };

    /// <summary>Size of the disk.</summary>
    public static Metric Size { get; } = new("peft.run_folder.size", MetricKind.Gauge, MetricOwner.Run)
    {
        Unit = "By",
        Meaning = "size of the file system of the run folder",
        Bad = "it is that of a container's own layer: the run folder is not where it should be",
    };
}
