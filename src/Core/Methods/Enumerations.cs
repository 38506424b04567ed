using System.Runtime.Serialization;

namespace Peft.Orleans.Core.Methods;

/// <summary>A fine-tuning method.</summary>
public enum MethodName
{
    /// <summary>All weights train.</summary>
    [EnumMember(Value = "full")] Full,

    /// <summary>Low-rank adaptation.</summary>
    [EnumMember(Value = "lora")] Lora,

    /// <summary>Butterfly orthogonal fine-tuning.</summary>
    [EnumMember(Value = "boft")] Boft,

    /// <summary>LoRA with gradient-approximated initialisation.</summary>
    [EnumMember(Value = "lora_ga")] LoraGa,

    /// <summary>Unitary layers.</summary>
    [EnumMember(Value = "urnn")] Urnn,

    /// <summary>LoRA-GA and BOFT mixed by a local coefficient λ.</summary>
    [EnumMember(Value = "hybrid")] Hybrid,
}

/// <summary>LoRA-GA initialisation.</summary>
public enum LoraGaInitialization
{
    /// <summary>Official LoRA-GA ("ArB2r").</summary>
    [EnumMember(Value = "stable")] Stable,

    /// <summary>Eq. 8.</summary>
    [EnumMember(Value = "paper")] Paper,

    /// <summary>Plain LoRA's start.</summary>
    [EnumMember(Value = "random")] Random,
}

/// <summary>How the base gradient of LoRA-GA is estimated.</summary>
public enum GradientEstimate
{
    /// <summary>The whole gradient matrix.</summary>
    [EnumMember(Value = "exact")] Exact,

    /// <summary>A randomised sketch; the matrix is never formed.</summary>
    [EnumMember(Value = "sketch")] Sketch,
}

/// <summary>Which side of the weight BOFT rotates.</summary>
public enum BoftSide
{
    /// <summary>Inputs.</summary>
    [EnumMember(Value = "input")] Input,

    /// <summary>Outputs.</summary>
    [EnumMember(Value = "output")] Output,
}

/// <summary>How BOFT keeps its blocks orthogonal.</summary>
public enum BoftParameterization
{
    /// <summary>Cayley transform of a skew matrix.</summary>
    [EnumMember(Value = "cayley")] Cayley,

    /// <summary>Eq. 5-6: gradient step, then projection.</summary>
    [EnumMember(Value = "projection")] Projection,
}

/// <summary>Kind of unitary layer.</summary>
public enum UrnnKind
{
    /// <summary>Eq. 10.</summary>
    [EnumMember(Value = "structured")] Structured,

    /// <summary>Eq. 11-12.</summary>
    [EnumMember(Value = "dense")] Dense,
}

/// <summary>Where the unitary map goes.</summary>
public enum UrnnMode
{
    /// <summary>Before the frozen weight.</summary>
    [EnumMember(Value = "compose")] Compose,

    /// <summary>In place of a square weight (Alg. 1).</summary>
    [EnumMember(Value = "replace")] Replace,
}

/// <summary>Which norms mix λ.</summary>
public enum LambdaNorms
{
    /// <summary>Each norm divided by its own coefficient.</summary>
    [EnumMember(Value = "unmixed")] Unmixed,

    /// <summary>As they come (Alg. 2 to the letter).</summary>
    [EnumMember(Value = "raw")] Raw,
}

/// <summary>Scope of one λ.</summary>
public enum LambdaGranularity
{
    /// <summary>One per decoder layer.</summary>
    [EnumMember(Value = "layer")] Layer,

    /// <summary>One per adapted module.</summary>
    [EnumMember(Value = "module")] Module,
}
