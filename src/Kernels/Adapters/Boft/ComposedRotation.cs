using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.Boft;

/// <summary>A rotation of one version, composed.</summary>
/// <param name="Blocks">C <c>[m·D, b, b]</c>.</param>
/// <param name="Inverse">What the parameterisation's gradient needs and cannot have from C.</param>
/// <param name="Dense">R's dense diagonal blocks <c>[groups, S, S]</c>, where they are small and not applied as
/// <paramref name="Small"/>.</param>
/// <param name="Factors">M_1 … M_m, each <c>[groups, S, S]</c>, where R is dense and has more than one.</param>
/// <param name="Small">R − I <c>[groups, S, S]</c> in the one type of its rows, where our own loops composed it.</param>
/// <param name="Transposed">Its transpose, where our own loops apply it.</param>
internal sealed record ComposedRotation(
    Tensor Blocks,
    Tensor? Inverse,
    Tensor? Dense,
    Tensor[] Factors,
    Tensor? Small = null,
    Tensor? Transposed = null
) : IDisposable
{
    private readonly Dictionary<ScalarType, Tensor> deviations = [];

    /// <summary>
    /// <c>R − I</c> of the dense blocks, else <c>C − I</c>: apart from I small rotations survive half types, and the start is exactly I.
    /// Owned by this.
    /// </summary>
    internal Tensor Deviation(ScalarType type)
    {
        if (Small is not null)
            return Small.dtype == type
                ? Small
                : throw new InvalidOperationException($"a rotation composed for rows of {Small.dtype} is asked for {type}");
        if (deviations.TryGetValue(type, out var found))
            return found;
        using var scope = NewDisposeScope();
        var whole = Dense ?? Blocks;
        return deviations[type] = whole.sub(eye(whole.shape[^1], -1, ScalarType.Float32, whole.device)).to(type).DetachFromDisposeScope();
    }

    public void Dispose()
    {
        Blocks.Dispose();
        Inverse?.Dispose();
        Dense?.Dispose();
        Small?.Dispose();
        Transposed?.Dispose();
        foreach (var factor in Factors) factor.Dispose();
        foreach (var deviation in deviations.Values) deviation.Dispose();
    }
}
