namespace Peft.Orleans.Core.Metrics;

/// <summary>Tensors on their way between silos.</summary>
public static class DataPlaneMetrics
{
    /// <summary>Bytes sent.</summary>
    public static Metric Sent { get; } = new("peft.data_plane.sent", MetricKind.Counter, MetricOwner.Silo)
    {
        Unit = "By",
        Label = MetricLabel.Peer,
        Meaning = "bytes of tensors sent to a silo",
        Bad = "its rate is at the network's limit",
        Optional = true,
    };

    /// <summary>Bytes received.</summary>
    public static Metric Received { get; } = new("peft.data_plane.received", MetricKind.Counter, MetricOwner.Silo)
    {
        Unit = "By",
        Meaning = "bytes of tensors received",
        Bad = "its rate is at the network's limit",
    };

    /// <summary>Tensors sent.</summary>
    public static Metric Transfers { get; } = new("peft.data_plane.transfers", MetricKind.Counter, MetricOwner.Silo)
    {
        Label = MetricLabel.Peer,
        Meaning = "tensors sent to a silo",
        Bad = "0 between neighbours of a pipeline: nothing moves",
        Optional = true,
    };

    /// <summary>Time of a transfer.</summary>
    public static Metric SendDuration { get; } = new("peft.data_plane.send.duration", MetricKind.Histogram, MetricOwner.Silo)
    {
        Unit = "s",
        Buckets = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
        Meaning = "until a tensor is handed to the network whole",
        Bad = "it grows at equal sizes: a slow network, or a receiver that does not keep up",
        Optional = true,
    };

    /// <summary>Chunks of terms not in force.</summary>
    public static Metric Refused { get; } = new("peft.data_plane.refused", MetricKind.Counter, MetricOwner.Silo)
    {
        Meaning = "chunks thrown away since their term is not in force here",
        Bad = "it grows while no term changes: a superseded silo goes on sending",
    };

    /// <summary>Failures.</summary>
    public static Metric Failures { get; } = new("peft.data_plane.failures", MetricKind.Counter, MetricOwner.Silo)
    {
        Label = MetricLabel.TransferFailure,
        Meaning = "connections and chunks that failed",
        Bad = "any without a silo that ended: the network; `damaged`: its hardware",
    };

    /// <summary>Open connections.</summary>
    public static Metric Connections { get; } = new("peft.data_plane.connections", MetricKind.Gauge, MetricOwner.Silo)
    {
        Label = MetricLabel.Direction,
        Meaning = "open connections of the data plane",
        Bad = "0 while silos train together",
    };

    /// <summary>Tensors that are waited for.</summary>
    public static Metric Pending { get; } = new("peft.data_plane.pending", MetricKind.Gauge, MetricOwner.Silo)
    {
        Meaning = "tensors that have begun to arrive, or are waited for",
        Bad = "it stays above 0 while nothing is received: a sender hangs",
    };
}
