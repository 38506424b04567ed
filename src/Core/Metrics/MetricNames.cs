namespace Peft.Orleans.Core.Metrics;

/// <summary>Names of the exported metrics (OpenTelemetry; Prometheus turns dots into underscores).</summary>
public static class MetricNames
{
    /// <summary>Meter.</summary>
    public const string Meter = "Peft.Orleans";

    /// <summary>Training loss.</summary>
    public const string Loss = "peft.loss";

    /// <summary>Learning rate.</summary>
    public const string LearningRate = "peft.learning_rate";

    /// <summary>Gradient norm before clipping.</summary>
    public const string GradientNorm = "peft.gradient_norm";

    /// <summary>λ per layer.</summary>
    public const string Lambda = "peft.lambda";

    /// <summary>Committed steps.</summary>
    public const string Steps = "peft.steps";

    /// <summary>Trained tokens.</summary>
    public const string Tokens = "peft.tokens";

    /// <summary>Step time.</summary>
    public const string StepSeconds = "peft.step.duration";

    /// <summary>Term.</summary>
    public const string Term = "peft.term";

    /// <summary>Silos with an active seat.</summary>
    public const string Silos = "peft.silos";

    /// <summary>Versions compared between the seats of a layer.</summary>
    public const string HashComparisons = "peft.seat.comparisons";

    /// <summary>Time of a silo's share of a step, per unit of work, over the fastest silo's.</summary>
    public const string Slowdown = "peft.silo.slowdown";

    /// <summary>From the end of a term to the next one's first committed step.</summary>
    public const string RecoverySeconds = "peft.recovery.duration";

    /// <summary>Resident memory of a silo.</summary>
    public const string ResidentMemory = "peft.silo.resident_memory";

    /// <summary>Live tensors of a silo.</summary>
    public const string LiveTensors = "peft.silo.live_tensors";

    /// <summary>Base weights read by a silo.</summary>
    public const string WeightBytesRead = "peft.silo.weights_read";

    /// <summary>Tensor bytes sent by a silo.</summary>
    public const string DataPlaneBytesSent = "peft.silo.data_plane_sent";

    /// <summary>Layers seated on a silo.</summary>
    public const string SeatedLayers = "peft.silo.seated_layers";

    /// <summary>Unitary blocks of a module brought back to the group after rounding.</summary>
    public const string Renormalizations = "peft.urnn.renormalizations";

    /// <summary>How far a module's butterfly blocks are from orthogonal.</summary>
    public const string OrthogonalityError = "peft.boft.orthogonality_error";

    /// <summary>Whether a run's folder can be written.</summary>
    public const string FolderAvailable = "peft.run.folder_available";

    /// <summary>Whether the cluster's store answers.</summary>
    public const string StoreAvailable = "peft.store.available";
}
