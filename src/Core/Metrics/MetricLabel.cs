namespace Peft.Orleans.Core.Metrics;

/// <summary>A label of metrics.</summary>
/// <param name="name">Its name.</param>
/// <param name="most">Most values that a silo exports of it, for one owner and metric: later ones are left out.</param>
/// <param name="meaning">What its values are.</param>
public sealed class MetricLabel(string name, int most, string meaning)
{
    /// <summary>Its name.</summary>
    public string Name => name;

    /// <summary>Most values that a silo exports of it, for one owner and metric: later ones are left out.</summary>
    public int Most => most;

    /// <summary>What its values are.</summary>
    public string Meaning => meaning;

    /// <summary>Its values where they are known beforehand: counters have all of them from the beginning, at 0.</summary>
    public IReadOnlyList<string> Values { get; init; } = [];

    /// <summary>A run.</summary>
    public static MetricLabel Run { get; } = new("run", 256, "run id; runs that this silo coordinates or trains");

    /// <summary>A silo.</summary>
    public static MetricLabel Silo { get; } = new("silo", 1024, "silo name; of figures of a silo, its own");

    /// <summary>A member of the cluster.</summary>
    public static MetricLabel Member { get; } = new("member", 1024, "silo name, of another silo too, as membership has it");

    /// <summary>Where tensors go.</summary>
    public static MetricLabel Peer { get; } = new("peer", 1024, "name of the silo that tensors are sent to");

    /// <summary>A layer.</summary>
    public static MetricLabel Layer { get; } = new("layer", 1024, "layer shard: 0 embedding, 1 … L blocks, L+1 head");

    /// <summary>Kind of a trained tensor.</summary>
    public static MetricLabel Component { get; } =
        new("component", 32, "kind of a trained tensor, as adapter files name it (`lora_A`, `boft_R`, `urnn_U` …); "
            + "of base weights `weights` and `vectors`");

    /// <summary>Part of a step.</summary>
    public static MetricLabel StepPhase { get; } = Of(
        "phase", "part of a step's time at the coordinator", "data", "forward", "backward", "wait", "reduce", "commit");

    /// <summary>Part of a recovery.</summary>
    public static MetricLabel RecoveryPhase { get; } = Of(
        "phase", "part of a recovery", "open", "fence", "plan", "seat", "protect", "step");

    /// <summary>State of a run.</summary>
    public static MetricLabel RunState { get; } = Of(
        "state", "state of a run", "starting", "running", "recovering", "paused", "finishing", "completed", "stopped", "failed");

    /// <summary>How a run ended.</summary>
    public static MetricLabel Outcome { get; } = Of("outcome", "how a run ended", "completed", "stopped", "failed");

    /// <summary>State of a member.</summary>
    public static MetricLabel MemberState { get; } = Of(
        "state", "state of a silo in the membership", "joining", "active", "leaving", "dead");

    /// <summary>Number that was not finite.</summary>
    public static MetricLabel NonFinite { get; } = Of("of", "what was no finite number", "loss", "gradient");

    /// <summary>Whether two were equal.</summary>
    public static MetricLabel Equal { get; } = Of("equal", "whether the hashes were equal", "true", "false");

    /// <summary>Why a transfer failed.</summary>
    public static MetricLabel TransferFailure { get; } = Of(
        "reason",
        "`connect`: no connection, or not with these certificates; `broken`: it broke while sending; `lost`: it broke while receiving, or "
            + "was not let in; `damaged`: bytes that fail their checksum, or are no chunk",
        "connect", "broken", "lost", "damaged");

    /// <summary>Direction of a connection.</summary>
    public static MetricLabel Direction { get; } = Of("direction", "who opened a connection", "in", "out");

    /// <summary>What was written.</summary>
    public static MetricLabel StorageOperation { get; } = Of(
        "operation", "what was to be written", "journal", "status", "snapshot", "adapter");

    /// <summary>Queue of the device.</summary>
    public static MetricLabel Priority { get; } = Of("priority", "queue of the device thread", "backward", "forward", "background");

    private static MetricLabel Of(string name, string meaning, params string[] values) =>
        new(name, values.Length, meaning) { Values = values };
}
