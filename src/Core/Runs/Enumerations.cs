using System.Runtime.Serialization;

namespace Peft.Orleans.Core.Runs;

/// <summary>Type in which frozen weights are held.</summary>
public enum WeightType
{
    /// <summary>IEEE single precision.</summary>
    [EnumMember(Value = "float32")] Float32,

    /// <summary>bfloat16.</summary>
    [EnumMember(Value = "bfloat16")] BFloat16,

    /// <summary>IEEE half precision.</summary>
    [EnumMember(Value = "float16")] Float16,

    /// <summary>4-bit NormalFloat.</summary>
    [EnumMember(Value = "nf4")] Nf4,
}

/// <summary>Type in which half-type weights are multiplied.</summary>
public enum ProductType
{
    /// <summary>The weights' own type.</summary>
    [EnumMember(Value = "native")] Native,

    /// <summary>Weights are converted block by block; activations and products are fp32.</summary>
    [EnumMember(Value = "float32")] Float32,
}

/// <summary>Format of a data file.</summary>
public enum DataFormat
{
    /// <summary>Chat: <c>{"messages": [{"role", "content"}]}</c>, or ShareGPT's <c>conversations</c>.</summary>
    [EnumMember(Value = "messages")] Messages,

    /// <summary><c>instruction</c>, <c>input</c>, <c>output</c>.</summary>
    [EnumMember(Value = "alpaca")] Alpaca,

    /// <summary><c>prompt</c>, <c>completion</c>.</summary>
    [EnumMember(Value = "completion")] Completion,

    /// <summary><c>text</c>.</summary>
    [EnumMember(Value = "text")] Text,

    /// <summary><c>question</c>, <c>answer</c> as a chat.</summary>
    [EnumMember(Value = "gsm8k")] Gsm8k,

    /// <summary><c>input_ids</c>, <c>labels</c>, taken as they are.</summary>
    [EnumMember(Value = "tokens")] Tokens,
}

/// <summary>What to do with a sample longer than <c>data.max_length</c>.</summary>
public enum LongSamplePolicy
{
    /// <summary>Refuse the data set, naming the line.</summary>
    [EnumMember(Value = "error")] Error,

    /// <summary>Keep the first <c>max_length</c> tokens.</summary>
    [EnumMember(Value = "truncate")] Truncate,

    /// <summary>Leave the sample out; drops are counted and reported.</summary>
    [EnumMember(Value = "drop")] Drop,
}

/// <summary>What becomes a sample of a conversation.</summary>
public enum MultiTurn
{
    /// <summary>The conversation; every reply in it is learned.</summary>
    [EnumMember(Value = "whole")] Whole,

    /// <summary>Each reply, with what is before it as the model would see it when it replies.</summary>
    [EnumMember(Value = "split")] Split,
}

/// <summary>Optimizer.</summary>
public enum OptimizerName
{
    /// <summary>AdamW, decoupled weight decay.</summary>
    [EnumMember(Value = "adamw")] AdamW,

    /// <summary>Plain gradient descent.</summary>
    [EnumMember(Value = "sgd")] Sgd,
}

/// <summary>Learning-rate schedule.</summary>
public enum ScheduleName
{
    /// <summary>c = 1.</summary>
    [EnumMember(Value = "constant")] Constant,

    /// <summary>c = 1 − (s−1)/S.</summary>
    [EnumMember(Value = "linear")] Linear,

    /// <summary>c = ½(1 + cos(π(s−1)/S)).</summary>
    [EnumMember(Value = "cosine")] Cosine,
}

/// <summary>When activations are recomputed in the backward pass.</summary>
public enum RecomputePolicy
{
    /// <summary>Decided from memory when the run is created.</summary>
    [EnumMember(Value = "auto")] Auto,

    /// <summary>Only a layer's input is kept.</summary>
    [EnumMember(Value = "always")] Always,

    /// <summary>Everything the backward pass needs is kept.</summary>
    [EnumMember(Value = "never")] Never,
}

/// <summary>How answers on held-out problems are judged.</summary>
public enum EvaluationMetric
{
    /// <summary>The last number of the generated text equals the last number of the reference.</summary>
    [EnumMember(Value = "last_number")] LastNumber,
}
