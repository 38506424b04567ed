using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Core.Cluster;

/// <summary>
/// A layer shard as the cluster sees it; key: <see cref="SeatKey"/>. A handle: weights and versions live in its silo's agent. Each pass
/// goes from here through the rest of the chain, and its result comes back up; errors travel the same way. <c>position</c> is the layer's
/// place in the chain, <c>input</c> its activations, null where the chain begins.
/// </summary>
[Alias("Peft.Orleans.ILayerShardGrain")]
public interface ILayerShardGrain : IGrainWithStringKey
{
    /// <summary>Forward, backward, gradient leaf; the result carries dL/dx of this layer's input.</summary>
    [Alias("Train"), ResponseTimeout("01:00:00")]
    Task<GradientResult> Train(TrainPass pass, int position, TensorRef? input);

    /// <summary>Forward and backward through the frozen base, for LoRA-GA's initialisation.</summary>
    [Alias("Estimate"), ResponseTimeout("01:00:00")]
    Task<GradientResult> Estimate(EstimatePass pass, int position, TensorRef? input);

    /// <summary>Loss only.</summary>
    [Alias("Loss"), ResponseTimeout("01:00:00")]
    Task<LossResult> Loss(LossPass pass, int position, TensorRef? input);

    /// <summary>Log-likelihood of each row.</summary>
    [Alias("Score"), ResponseTimeout("01:00:00")]
    Task<ScoreResult[]> Score(ScorePass pass, int position, TensorRef? input);

    /// <summary>Next token of each row, with a key-value cache.</summary>
    [Alias("Generate"), ResponseTimeout("01:00:00")]
    Task<int[]> Generate(GeneratePass pass, int position, TensorRef? input);
}
