using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.Boft;

/// <summary>A rotation of one version, composed.</summary>
/// <param name="Blocks">C <c>[m·D, b, b]</c>.</param>
/// <param name="Inverse">What the parameterisation's gradient needs.</param>
/// <param name="Dense">R's dense diagonal blocks <c>[groups, S, S]</c>, where they are small.</param>
/// <param name="Factors">M_1 … M_m, each <c>[groups, S, S]</c>, where R is dense and has more than one.</param>
/// <param name="Applied">R − I and its transpose, <c>[groups, S, S]</c> fp32, where our own loops apply them.</param>
internal sealed record ComposedRotation(Tensor Blocks, Tensor? Inverse, Tensor? Dense, Tensor[] Factors, (Tensor Deviation, Tensor Transposed)? Applied = null) : IDisposable
{
    private readonly Dictionary<ScalarType, Tensor> deviations = [];

    /// <summary><c>R − I</c> of the dense blocks, else <c>C − I</c>: apart from I small rotations survive half types, and the start is exactly I. Owned by this.</summary>
    internal Tensor Deviation(ScalarType type)
    {
        if (deviations.TryGetValue(type, out var found)) return found;
        if (Applied is { } applied) return deviations[type] = applied.Deviation.to(type, copy: true).DetachFromDisposeScope();
        using var scope = NewDisposeScope();
        var whole = Dense ?? Blocks;
        return deviations[type] = whole.sub(eye(whole.shape[^1], -1, ScalarType.Float32, whole.device)).to(type).DetachFromDisposeScope();
    }

    public void Dispose()
    {
        Blocks.Dispose();
        Inverse?.Dispose();
        Dense?.Dispose();
        Applied?.Deviation.Dispose();
        Applied?.Transposed.Dispose();
        foreach (var factor in Factors) factor.Dispose();
        foreach (var deviation in deviations.Values) deviation.Dispose();
    }
}
