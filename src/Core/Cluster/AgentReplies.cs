using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Core.Cluster;

/// <summary>What every answer of an agent says: whether the message was obeyed.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.AgentReply")]
public abstract record AgentReply
{
    /// <summary>Why the message was refused; null: it was obeyed.</summary>
    [Id(0)] public string? Refusal { get; init; }

    /// <summary>Whether the message was obeyed.</summary>
    public bool Accepted => Refusal is null;
}

/// <summary>Answer to <c>Fence</c>.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.FenceReply")]
public sealed record FenceReply : AgentReply
{
    /// <summary>The silo.</summary>
    [Id(0)] public required PlannedSilo Silo { get; init; }

    /// <summary>Complete versions by layer.</summary>
    [Id(1)] public Dictionary<int, int[]> Inventory { get; init; } = [];

    /// <summary>Records of the versions held, by step.</summary>
    [Id(2)] public Dictionary<int, StepRecord> Records { get; init; } = [];

    /// <summary>Compute threads of the silo.</summary>
    [Id(3)] public int Threads { get; init; }

    /// <summary>Layers whose base weights are loaded.</summary>
    [Id(4)] public int[] Loaded { get; init; } = [];

    /// <summary>Bytes of memory for weights and activations on this silo's device.</summary>
    [Id(5)] public long MemoryBytes { get; init; }

    /// <summary>What the silo says the bytes of versions are that it has computed itself.</summary>
    [Id(6)] public VersionClaim[] Claims { get; init; } = [];

    /// <summary>Whether no layer is to be seated on the silo: it leaves, or was started so.</summary>
    [Id(7)] public bool Seatless { get; init; }

    /// <summary>Peak of this silo's device, FLOP/s; 0: not said.</summary>
    [Id(8)] public double PeakFlops { get; init; }
}

/// <summary>Answer to <c>Start</c>: all seats here hold the target, but for what version 0 lacks.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.StartReply")]
public sealed record StartReply : AgentReply
{
    /// <summary>Whether version 0 has to be computed first.</summary>
    [Id(0)] public bool LacksVersion { get; init; }

    /// <summary>Whether the initialisation needs the base gradient.</summary>
    [Id(1)] public bool NeedsEstimate { get; init; }
}

/// <summary>Answer to <c>Prepare</c>.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.PrepareReply")]
public sealed record PrepareReply : AgentReply
{
    /// <summary>What each active layer measured, by layer.</summary>
    [Id(0)] public Dictionary<int, LayerMeasure> Measures { get; init; } = [];

    /// <summary>Seconds the device computed for the step's microbatches.</summary>
    [Id(1)] public double ComputeSeconds { get; init; }

    /// <summary>Of these, seconds of forward passes.</summary>
    [Id(2)] public double ForwardSeconds { get; init; }
}

/// <summary>Answer to <c>Initialize</c>, <c>Apply</c>, <c>Protect</c> and <c>Put</c>: the versions are here.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.VersionsReply")]
public sealed record VersionsReply : AgentReply
{
    /// <summary>Hash of each layer's version, where there is another seat to compare it with.</summary>
    [Id(0)] public Dictionary<int, string> Hashes { get; init; } = [];

    /// <summary>Layers whose version arrived with other bytes than were sent; they are not held.</summary>
    [Id(1)] public int[] Damaged { get; init; } = [];
}

/// <summary>Answer to <c>Send</c>.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.SendReply")]
public sealed record SendReply : AgentReply
{
    /// <summary>Versions on their way to the asking silo.</summary>
    [Id(0)] public VersionTransfer[] Versions { get; init; } = [];

    /// <summary>Record of the step that made them; null for version 0.</summary>
    [Id(1)] public StepRecord? Record { get; init; }
}

/// <summary>Answer to <c>SendSums</c>.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.SumsReply")]
public sealed record SumsReply : AgentReply
{
    /// <summary>Partial gradient sums on their way to the asking silo.</summary>
    [Id(0)] public SumTransfer[] Sums { get; init; } = [];
}

/// <summary>Answer to <c>Reduce</c> and <c>TakeSums</c>: done, and nothing to tell.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.DoneReply")]
public sealed record DoneReply : AgentReply;

/// <summary>Answer to <c>WriteSnapshot</c> and <c>WriteAdapter</c>.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.FilesReply")]
public sealed record FilesReply : AgentReply
{
    /// <summary>Files written, with their sha256.</summary>
    [Id(0)] public Dictionary<string, string> Files { get; init; } = [];
}

/// <summary>What an agent says of its silo.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.AgentReport")]
public sealed record AgentReport
{
    /// <summary>Process id.</summary>
    [Id(0)] public required int Pid { get; init; }

    /// <summary>Resident memory of the process, bytes.</summary>
    [Id(1)] public long ResidentBytes { get; init; }

    /// <summary>Its peak.</summary>
    [Id(2)] public long PeakResidentBytes { get; init; }

    /// <summary>Bytes of base weights read so far.</summary>
    [Id(3)] public long WeightBytesRead { get; init; }

    /// <summary>URL of /metrics.</summary>
    [Id(4)] public string MetricsUrl { get; init; } = "";

    /// <summary>Tensors alive in the process.</summary>
    [Id(5)] public long LiveTensors { get; init; }

    /// <summary>The silo as plans name it.</summary>
    [Id(6)] public required PlannedSilo Silo { get; init; }

    /// <summary>Layers whose base weights are loaded, by run.</summary>
    [Id(7)] public Dictionary<string, int[]> LoadedLayers { get; init; } = [];

    /// <summary>Memory for weights and activations on the silo's device.</summary>
    [Id(8)] public long MemoryBytes { get; init; }

    /// <summary>Compute threads of the silo.</summary>
    [Id(9)] public int Threads { get; init; }

    /// <summary>Whether no layer is to be seated on the silo: it leaves, or was started so.</summary>
    [Id(10)] public bool Seatless { get; init; }
}
