using Peft.Orleans.Core.Batches;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Versions;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models;

/// <summary>What a microbatch's forward pass leaves for its backward pass in one shard.</summary>
public interface ISavedActivations : IDisposable
{
    /// <summary>Bytes held.</summary>
    long Bytes { get; }
}

/// <summary>What the head returns of a microbatch.</summary>
/// <param name="LossSum">Sum of the token losses (natural logarithm), not normalised.</param>
/// <param name="TargetTokens">Number of targets.</param>
/// <param name="InputGradient">dL/dx of the scaled loss, or null in evaluation. Owned by the caller.</param>
public readonly record struct HeadResult(double LossSum, int TargetTokens, Tensor? InputGradient);

/// <summary>What <see cref="LayerShard.Measure"/> finds in a reduced gradient.</summary>
/// <param name="SquaredNorm">Squared norm of the gradient, float64, fixed order.</param>
/// <param name="NextLambda">λ for the next step's forward pass (bounded, averaged); empty without λ.</param>
public sealed record GradientMeasure(double SquaredNorm, double[] NextLambda);

/// <summary>
/// One layer of the model with its adapters: embedding (layer 0), decoder block (1 … L), head (L+1), or, where trained tied embeddings
/// are one parameter, embedding and head in layer 0. Holds frozen base weights only; everything that changes is in a <see cref="LayerVersion"/>.
/// All calls are made on the device thread. Tensors returned are owned by the caller; tensors passed in are not disposed.
/// Activations are <c>[rows, columns, hidden]</c> in the compute type.
/// </summary>
public abstract class LayerShard : IDisposable
{
    /// <summary>Layer index: 0 embedding, 1 … L decoder blocks, L+1 head.</summary>
    public required int Layer { get; init; }

    /// <summary>Layout of this layer's versions; with no trainable tensors its sizes are 0.</summary>
    public abstract ParameterLayout Layout { get; }

    /// <summary>Bytes of base weights held by this shard (mapped or allocated).</summary>
    public abstract long BaseBytes { get; }

    /// <summary>Whether anything in this shard or before it trains, so that the gradient must travel further down.</summary>
    public required bool NeedsInputGradient { get; init; }

    /// <summary>Embedding lookup: ids → <c>[rows, columns, hidden]</c>. Layer 0 only.</summary>
    public virtual Tensor Embed(LayerVersion version, Microbatch batch) => throw new NotSupportedException();

    /// <summary>Adds the embedding's gradient for <paramref name="dx"/> to <paramref name="gradient"/> (full fine-tuning only).</summary>
    public virtual void EmbedBackward(LayerVersion version, Microbatch batch, Tensor dx, Tensor gradient) => throw new NotSupportedException();

    /// <summary>Decoder block forward. <paramref name="saved"/> is null when no backward pass follows (<paramref name="save"/> false).</summary>
    public virtual Tensor Forward(LayerVersion version, Tensor x, Microbatch batch, PassContext pass, bool save, out ISavedActivations? saved) => throw new NotSupportedException();

    /// <summary>Decoder block backward: returns dL/dx (null unless <see cref="NeedsInputGradient"/>) and adds the trainable gradient to <paramref name="gradient"/>, flat fp32 <c>[Layout.Size]</c>.</summary>
    public virtual Tensor? Backward(LayerVersion version, ISavedActivations saved, Tensor dy, Tensor gradient) => throw new NotSupportedException();

    /// <summary>
    /// Final norm, head, cross-entropy. With a <paramref name="scale"/> (1 / target tokens of the whole global batch) also dL/dx of the scaled
    /// loss, the head's own gradient being added to <paramref name="gradient"/>; with null only the loss.
    /// </summary>
    public virtual HeadResult Loss(LayerVersion version, Tensor x, Microbatch batch, double? scale, Tensor? gradient) => throw new NotSupportedException();

    /// <summary>Log-likelihood of each row's targets, their number, and whether every target is the most likely token.</summary>
    public virtual IReadOnlyList<(double LogLikelihood, int Tokens, bool IsGreedy)> Score(LayerVersion version, Tensor x, Microbatch batch) => throw new NotSupportedException();

    /// <summary>fp32 logits of the last position of each row, <c>[rows, vocabulary]</c>; <paramref name="x"/> is <c>[rows, columns, hidden]</c>.</summary>
    public virtual Tensor LastLogits(LayerVersion version, Tensor x) => throw new NotSupportedException();

    /// <summary>Decoder block forward for generation: the cache holds keys and values of the positions seen so far and is appended to. All rows have equal length.</summary>
    public virtual Tensor ForwardCached(LayerVersion version, Tensor x, KeyValueCache cache) => throw new NotSupportedException();

    /// <summary>Starts accumulating the base gradient that LoRA-GA's initialisation needs; null when this layer needs none.</summary>
    public virtual BaseGradientEstimate? BeginGradientEstimate() => null;

    /// <summary>As <see cref="Backward"/>, through the frozen base only, adding this sample's base gradients to <paramref name="estimate"/>.</summary>
    public virtual Tensor? BackwardEstimate(ISavedActivations saved, Tensor dy, BaseGradientEstimate? estimate) => throw new NotSupportedException();

    /// <summary>
    /// Writes version 0 into <paramref name="version"/>: method initialisation, pure function of seed, layer and estimate; then any tensors of
    /// <paramref name="initialAdapter"/> (by adapter tensor name) replace it.
    /// </summary>
    /// <exception cref="Core.PeftException">The initial adapter does not fit: names tensor and shapes.</exception>
    public abstract void Initialize(LayerVersion version, long seed, BaseGradientEstimate? estimate, AdapterTensors? initialAdapter);

    /// <summary>Norm and next λ of a reduced gradient (all microbatches, before clipping). Changes nothing.</summary>
    public abstract GradientMeasure Measure(LayerVersion version, Tensor gradient);

    /// <summary>The optimizer step: reads <paramref name="current"/> and the reduced gradient, writes <paramref name="next"/> (another buffer) and sets its step and λ.</summary>
    public abstract void Apply(LayerVersion current, LayerVersion next, Tensor gradient, OptimizerStep step);

    /// <summary>The adapter's tensors of a version by file name (fp32, contiguous views or copies owned by the caller); for full fine-tuning the layer's weights by Hugging Face name.</summary>
    public abstract IReadOnlyList<(string Name, Tensor Value)> Export(LayerVersion version);

    /// <summary>The layer's weights with the adapter merged, by Hugging Face name, in <paramref name="dtype"/>; owned by the caller.</summary>
    public abstract IReadOnlyList<(string Name, Tensor Value)> ExportMerged(LayerVersion version, ScalarType dtype);

    /// <inheritdoc/>
    public abstract void Dispose();
}
