namespace Peft.Orleans.Core.Metrics;

/// <summary>What a silo's device and process do.</summary>
public static class DeviceMetrics
{
    /// <summary>Time the device thread worked.</summary>
    public static Metric Busy { get; } = new("peft.silo.device.busy", MetricKind.Counter, MetricOwner.Silo)
    {
        Unit = "s",
        Meaning = "time that the device thread worked; its rate is the busy share",
        Bad = "a share below a half while the run trains: the device waits for data, network or other silos",
    };

    /// <summary>Work that waits.</summary>
    public static Metric Queue { get; } = new("peft.silo.device.queue", MetricKind.Gauge, MetricOwner.Silo)
    {
        Label = MetricLabel.Priority,
        Meaning = "pieces of work that wait for the device thread",
        Bad = "it grows: this silo holds the others up",
    };

    /// <summary>Time that passes waited for their data.</summary>
    public static Metric BatchWait { get; } = new("peft.silo.batch_wait", MetricKind.Counter, MetricOwner.Silo)
    {
        Unit = "s",
        Meaning = "time that passes waited here for ids and labels, summed over microbatches; only where embedding or head is",
        Bad = "near the time of the steps: reading and tokenising data is too slow",
    };

    /// <summary>Resident memory.</summary>
    public static Metric ResidentMemory { get; } = new("peft.silo.resident_memory", MetricKind.Gauge, MetricOwner.Silo)
    {
        Unit = "By",
        Meaning = "resident memory of the silo's process",
        Bad = "near `peft_silo_memory_limit_bytes`: the system will refuse memory, or kill the silo",
    };

    /// <summary>Largest resident memory.</summary>
    public static Metric PeakMemory { get; } = new("peft.silo.peak_memory", MetricKind.Gauge, MetricOwner.Silo)
    {
        Unit = "By",
        Meaning = "largest resident memory since the process began",
        Bad = "near `peft_silo_memory_limit_bytes`",
    };

    /// <summary>Memory that plans count with.</summary>
    public static Metric MemoryLimit { get; } = new("peft.silo.memory_limit", MetricKind.Gauge, MetricOwner.Silo)
    {
        Unit = "By",
        Meaning = "memory that plans count with: `--memory`, or the machine's or container's",
        Bad = "larger than the container's own limit",
    };

    /// <summary>Live tensors.</summary>
    public static Metric LiveTensors { get; } = new("peft.silo.live_tensors", MetricKind.Gauge, MetricOwner.Silo)
    {
        Meaning = "tensors alive in the process",
        Bad = "it grows from step to step: a leak",
    };

    /// <summary>Base weights read.</summary>
    public static Metric WeightsRead { get; } = new("peft.silo.weights_read", MetricKind.Counter, MetricOwner.Silo)
    {
        Unit = "By",
        Meaning = "bytes of base weights read: only those of its own layers",
        Bad = "it grows with every term: layers wander to and fro",
    };

    /// <summary>Refused memory.</summary>
    public static Metric OutOfMemory { get; } = new("peft.silo.out_of_memory", MetricKind.Counter, MetricOwner.Silo)
    {
        Meaning = "times that the system refused memory for a tensor, in all lives of a silo of this name where the cluster has "
            + "a folder: its process ends with it",
        Bad = "any: more memory or more silos; kills by the kernel are not among them",
    };

    /// <summary>Compute threads.</summary>
    public static Metric Threads { get; } = new("peft.silo.threads", MetricKind.Gauge, MetricOwner.Silo)
    {
        Meaning = "compute threads",
        Bad = "another number than `compute.threads_per_silo`: the run refuses the silo",
    };

    /// <summary>Peak of the device.</summary>
    public static Metric Peak { get; } = new("peft.silo.peak_flops", MetricKind.Gauge, MetricOwner.Silo)
    {
        Meaning = "peak of the device in FLOP per second, as `--peak-gflops` says",
        Bad = "another type's: `peft_mfu_ratio` is wrong by their ratio",
        Optional = true,
    };
}
