using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Versions;

/// <summary>
/// Version t of a layer: everything step t+1 reads except base weights, data and run file. All tensors are flat fp32 on the shard's device,
/// allocated once and reused (a silo holds two versions of each layer). Owned by the silo's agent, used on the device thread only.
/// </summary>
public sealed class LayerVersion : IDisposable
{
    private readonly Tensor? shared;

    /// <summary>Allocates the buffers of a version of <paramref name="layout"/>; contents are zero.</summary>
    /// <param name="layout">Sizes.</param>
    /// <param name="device">Device.</param>
    /// <param name="constants">The layer's constants, <c>[Layout.ConstantSize]</c>, where all its versions share them; null: this one has
    /// its own.</param>
    public LayerVersion(ParameterLayout layout, Device device, Tensor? constants = null)
    {
        shared = constants;
        using var scope = NewDisposeScope();
        Parameters = zeros(layout.Size, float32, device).DetachFromDisposeScope();
        FirstMoment = zeros(layout.OptimizerSize, float32, device).DetachFromDisposeScope();
        SecondMoment = zeros(layout.OptimizerSize, float32, device).DetachFromDisposeScope();
        Constants = (constants?.alias() ?? zeros(layout.ConstantSize, float32, device)).DetachFromDisposeScope();
        Lambda = new double[layout.LambdaCount];
    }

    /// <summary>A version kept where its layer does not compute: takes ownership of the buffers as they came.</summary>
    public LayerVersion(Tensor parameters, Tensor firstMoment, Tensor secondMoment, Tensor constants, double[] lambda)
    {
        Parameters = parameters.DetachFromDisposeScope();
        FirstMoment = firstMoment.DetachFromDisposeScope();
        SecondMoment = secondMoment.DetachFromDisposeScope();
        Constants = constants.DetachFromDisposeScope();
        Lambda = lambda;
    }

    /// <summary>The step after which this version holds; 0: initial.</summary>
    public int Step { get; set; } = -1;

    /// <summary>Trainable parameters, <c>[Layout.Size]</c>.</summary>
    public Tensor Parameters { get; }

    /// <summary>AdamW's first moment, <c>[Layout.OptimizerSize]</c> (empty for sgd).</summary>
    public Tensor FirstMoment { get; }

    /// <summary>AdamW's second moment, <c>[Layout.OptimizerSize]</c>.</summary>
    public Tensor SecondMoment { get; }

    /// <summary>Frozen method state (A0, B0, θ0 …), <c>[Layout.ConstantSize]</c>.</summary>
    public Tensor Constants { get; }

    /// <summary>λ used by the next step's forward pass; one per layer or per module, empty without λ.</summary>
    public double[] Lambda { get; }

    /// <summary>Hash of the contents, noted by the store that keeps them; forgotten when they change.</summary>
    public string? Hash { get; set; }

    /// <summary>Copies the contents of a version of the same sizes.</summary>
    public void CopyFrom(LayerVersion other)
    {
        Parameters.copy_(other.Parameters);
        FirstMoment.copy_(other.FirstMoment);
        SecondMoment.copy_(other.SecondMoment);
        CopyConstants(other);
        other.Lambda.CopyTo(Lambda, 0);
        Step = other.Step;
        Invalidate();
        Hash = other.Hash;
    }

    /// <summary>Copies the constants of another version of this layer, if they are not the same anyway.</summary>
    internal void CopyConstants(LayerVersion other)
    {
        if (shared is null || !ReferenceEquals(shared, other.shared)) Constants.copy_(other.Constants);
    }

    /// <summary>
    /// Tensors derived from this version for computing (casts, composed rotations); made by the shard on first use, dropped when the
    /// version is overwritten.
    /// </summary>
    internal IDisposable? Derived { get; set; }

    /// <summary>Forgets derived tensors; to be called after the buffers were written.</summary>
    /// <param name="keepHash">Whether only derived tensors go: the buffers are as they were.</param>
    public void Invalidate(bool keepHash = false)
    {
        Derived?.Dispose();
        Derived = null;
        if (!keepHash) Hash = null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Invalidate();
        Parameters.Dispose();
        FirstMoment.Dispose();
        SecondMoment.Dispose();
        Constants.Dispose();
    }
}
