using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Loops.Products;
using Peft.Orleans.Kernels.Versions;
using Peft.Orleans.Kernels.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models;

/// <summary>A base tensor that is no adapted linear (norm, embedding, head): frozen, or with method full a slot of the version.</summary>
internal sealed class BaseTensor : IDisposable
{
    // In fp32 2 MB, which lie in the cache when they are multiplied.
    private const long BlockElements = 512 << 10;

    private readonly ShardContext context;
    private readonly FrozenWeight? frozen;
    private readonly long[] shape;
    private ParameterSlot? slot;

    internal BaseTensor(ModelTensor tensor, ShardContext context)
    {
        Name = tensor.Name;
        shape = tensor.Shape;
        this.context = context;
        Trains = context.Adapters.Traits.TrainsBase;
        // Vectors are tiny: they are kept in fp32, the type in which they are used.
        var vector = shape.Length == 1;
        var (held, compute) = vector ? (ScalarType.Float32, ScalarType.Float32) : (context.Held, context.Compute);
        if (!Trains) frozen = new FrozenWeight(context.Weights.Read(Name, shape, held), compute);
    }

    internal string Name { get; }

    internal bool Trains { get; }

    internal long Bytes => frozen?.Bytes ?? 0;

    internal void Declare(LayoutBuilder layout)
    {
        if (Trains) slot = layout.Trainable(Name, shape);
    }

    internal void Initialize(LayerVersion version)
    {
        if (slot is null) return;
        using var scope = NewDisposeScope();
        using var value = context.Weights.Read(Name, shape, ScalarType.Float32);
        slot.View(version.Parameters).copy_(value);
    }

    /// <summary>The tensor as held; for a vector fp32, else the type it lies in. Not owned by the caller.</summary>
    internal Tensor Value(LayerVersion version) =>
        frozen?.Held ?? version.Value(slot!, shape.Length == 1 ? ScalarType.Float32 : context.Compute);

    /// <summary>Its part of a flat gradient, or null where it is frozen.</summary>
    internal Tensor? Gradient(Tensor? flat) => slot is null || flat is null ? null : slot.View(flat);

    /// <summary><c>h [T, in] → h Wᵀ [T, out]</c>; block by block where the weight must be converted.</summary>
    internal Tensor Product(LayerVersion version, Tensor h)
    {
        var value = Value(version);
        if (BlockProducts.Product(h, value) is { } product) return product;
        if (frozen is not { Converts: true }) return h.mm(value.t());
        using var scope = NewDisposeScope();
        var result = empty([h.shape[0], shape[0]], context.Compute, h.device);
        foreach (var (start, count) in Blocks()) result.narrow(1, start, count).addmm_(h, frozen.Rows(start, count).t(), beta: 0, alpha: 1);
        return result.MoveToOuterDisposeScope();
    }

    /// <summary><c>dy [T, out] → dy W [T, in]</c>.</summary>
    internal Tensor InputGradient(LayerVersion version, Tensor dy)
    {
        var value = Value(version);
        if (BlockProducts.InputGradient(dy, value, null) is { } product) return product;
        if (frozen is not { Converts: true }) return dy.mm(value);
        using var scope = NewDisposeScope();
        var result = zeros([dy.shape[0], shape[1]], context.Compute, dy.device);
        foreach (var (start, count) in Blocks()) result.addmm_(dy.narrow(1, start, count), frozen.Rows(start, count));
        return result.MoveToOuterDisposeScope();
    }

    /// <summary>A copy in <paramref name="type"/>, owned by the caller.</summary>
    internal Tensor Copy(LayerVersion version, ScalarType type) => (frozen?.Held ?? slot!.View(version.Parameters)).to(type, copy: true);

    public void Dispose() => frozen?.Dispose();

    private IEnumerable<(long Start, long Count)> Blocks()
    {
        var rows = Math.Max(1, BlockElements / shape[1]);
        for (var start = 0L; start < shape[0]; start += rows) yield return (start, Math.Min(rows, shape[0] - start));
    }
}
