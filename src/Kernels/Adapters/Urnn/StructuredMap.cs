using System.Runtime.InteropServices;
using Peft.Orleans.Core;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Torch;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.Urnn;

/// <summary>
/// Eq. 10: O(n) parameters, O(n log n) time. A product with reflections is never near I, so the map is <c>Ũ = U(θ) U(θ0)ᴴ</c> with the
/// frozen start θ0. fp32 whatever the compute type.
/// </summary>
internal sealed class StructuredMap(LinearSite site) : UnitaryMap
{
    private static readonly string[] Names = ["d1", "d2", "d3", "v1", "v2"];

    private readonly object key = new();
    private readonly ParameterSlot[] current = new ParameterSlot[Names.Length];
    private readonly ParameterSlot[] start = new ParameterSlot[Names.Length];
    private ParameterSlot permutation = null!;

    private long Half => site.In / 2;

    internal override void Declare(LayoutBuilder layout)
    {
        for (var i = 0; i < Names.Length; i++) current[i] = layout.Trainable(Name(Names[i]), Shape(i));
        for (var i = 0; i < Names.Length; i++) start[i] = layout.Constant(Name($"{Names[i]}_start"), Shape(i));
        permutation = layout.Constant(Name("permutation"), [Half], new SlotOptions { IsIndex = true });
    }

    internal override void Initialize(LayerVersion version, long seed)
    {
        using var scope = NewDisposeScope();
        for (var i = 0; i < Names.Length; i++)
        {
            var value =
                i < 3
                    ? SeededRandom.Uniform(seed, current[i].Name, current[i].Shape, Math.PI)
                    : SeededRandom.Normal(seed, current[i].Name, current[i].Shape, 1);
            current[i].View(version.Parameters).copy_(value);
            start[i].View(version.Constants).copy_(value);
        }

        permutation.View(version.Constants).copy_(SeededRandom.Uniform(seed, permutation.Name, [Half], 1).argsort());
    }

    internal override Tensor Map(LayerVersion version, Tensor x)
    {
        using var scope = NewDisposeScope();
        return Factors(version).Map(x.to(ScalarType.Float32)).MoveToOuterDisposeScope();
    }

    internal override Tensor? Backward(LayerVersion version, Tensor x, Tensor mapped, Tensor dMapped, Tensor gradient, bool needsInput)
    {
        using var scope = NewDisposeScope();
        var (g, dx) = Factors(version).Backward(mapped, dMapped.to(ScalarType.Float32), needsInput);
        Tensor[] parts = [g.D1, g.D2, g.D3, g.V1, g.V2];
        for (var i = 0; i < parts.Length; i++) current[i].View(gradient).add_(parts[i], One);
        return dx?.MoveToOuterDisposeScope();
    }

    // Ũ is orthogonal: the rows of W Ũ are Ũᵀ = Ũ⁻¹ times the rows of W.
    internal override Tensor Merge(LayerVersion version, Tensor rows) => Factors(version).Inverse(rows);

    private StructuredFactors Factors(LayerVersion version) => version.Derivatives().Object(key, () =>
    {
        Tensor[] Views(ParameterSlot[] slots, Tensor buffer) => [.. slots.Select(slot => slot.View(buffer))];
        return new StructuredFactors(Views(current, version.Parameters), Views(start, version.Constants), Permutation(version));
    });

    private Tensor Permutation(LayerVersion version)
    {
        var indices = permutation.View(version.Constants).to(ScalarType.Int64, copy: true);
        using var sorted = indices.cpu().sort().Values;
        var values = MemoryMarshal.Cast<byte, long>(sorted.bytes);
        for (var i = 0; i < values.Length; i++)
        {
            if (values[i] != i)
                throw new PeftException(
                    $"tensor '{permutation.Name}' is no permutation of 0 … {Half - 1}; the adapter or snapshot is damaged: take another one"
                );
        }

        return indices.DetachFromDisposeScope();
    }

    private long[] Shape(int i) => i < 3 ? [Half] : [Half, 2];

    private string Name(string part) => $"{site.AdapterPrefix}.urnn_{part}";
}
