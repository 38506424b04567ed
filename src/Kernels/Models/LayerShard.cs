using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Versions;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models;

/// <summary>
/// One layer of the model with its adapters: embedding (layer 0), decoder block (1 … L), head (L+1), or, where trained tied embeddings
/// are one parameter, embedding and head in layer 0. Holds frozen base weights only; everything that changes is in a
/// <see cref="LayerVersion"/>. What it computes, its roles say: <see cref="IEmbedding"/>, <see cref="IBlock"/>, <see cref="IHead"/>. All
/// calls are made on the device thread. Tensors returned are owned by the caller; tensors passed in are not disposed. Activations are
/// <c>[rows, columns, hidden]</c> in the compute type.
/// </summary>
public abstract class LayerShard : IDisposable
{
    /// <summary>Layer index: 0 embedding, 1 … L decoder blocks, L+1 head.</summary>
    public required int Layer { get; init; }

    /// <summary>Layout of this layer's versions; with no trainable tensors its sizes are 0.</summary>
    public abstract ParameterLayout Layout { get; }

    /// <summary>Bytes of base weights held by this shard (mapped or allocated).</summary>
    public abstract long BaseBytes { get; }

    /// <summary>
    /// sha256 of each base tensor read so far, over its bytes as stored; empty where the shard was not asked to hash. A tensor that trains
    /// is read by <see cref="Initialize"/>.
    /// </summary>
    public abstract IReadOnlyDictionary<string, string> WeightHashes { get; }

    /// <summary>Whether anything in this shard or before it trains, so that the gradient must travel further down.</summary>
    public required bool NeedsInputGradient { get; init; }

    /// <summary>
    /// Writes version 0 into <paramref name="version"/>: method initialisation, pure function of seed, layer and estimate; then any tensors
    /// of
    /// <paramref name="initialAdapter"/> (by adapter tensor name) replace it.
    /// </summary>
    /// <exception cref="Core.PeftException">The initial adapter does not fit: names tensor and shapes.</exception>
    public abstract void Initialize(LayerVersion version, long seed, BaseGradientEstimate? estimate, AdapterTensors? initialAdapter);

    /// <summary>Norm and next λ of a reduced gradient (all microbatches, before clipping). Changes nothing.</summary>
    public abstract GradientMeasure Measure(LayerVersion version, Tensor gradient);

    /// <summary>
    /// The optimizer step: reads <paramref name="current"/> and the reduced gradient, writes <paramref name="next"/> (another buffer) and
    /// sets its step and λ.
    /// </summary>
    public abstract void Apply(LayerVersion current, LayerVersion next, Tensor gradient, OptimizerStep step);

    /// <summary>
    /// The adapter's tensors of a version by file name (fp32, contiguous views or copies owned by the caller); for full fine-tuning the
    /// layer's weights by Hugging Face name.
    /// </summary>
    public abstract IReadOnlyList<(string Name, Tensor Value)> Export(LayerVersion version);

    /// <summary>
    /// The layer's weights with the adapter merged, by Hugging Face name, in <paramref name="dtype"/>; owned by the caller.
    /// </summary>
    public abstract IReadOnlyList<(string Name, Tensor Value)> ExportMerged(LayerVersion version, ScalarType dtype);

    /// <inheritdoc/>
    public abstract void Dispose();
}

/// <summary>What <see cref="LayerShard.Measure"/> finds in a reduced gradient.</summary>
/// <param name="SquaredNorm">Squared norm of the gradient, float64, fixed order.</param>
/// <param name="NextLambda">λ for the next step's forward pass (bounded, averaged); empty without λ.</param>
public sealed record GradientMeasure(double SquaredNorm, double[] NextLambda)
{
    /// <summary>Squared norm of each kind of tensor (<see cref="ParameterSlot.Component"/>).</summary>
    public Dictionary<string, double> Components { get; init; } = [];

    /// <summary>Largest max |CᵀC − I| of the version's butterfly blocks; null without.</summary>
    public double? OrthogonalityError { get; init; }

    /// <summary>Largest max |UᴴU − I| of the version's unitary blocks; null without.</summary>
    public double? UnitarityError { get; init; }
}
