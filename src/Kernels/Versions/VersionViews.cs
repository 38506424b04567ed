using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Versions;

/// <summary>Tensors derived from a version, made once on first use: views of its slots, casts, composed rotations.</summary>
internal sealed class DerivedTensors : IDisposable
{
    private readonly Dictionary<object, object> values = new(ReferenceEqualityComparer.Instance);

    internal Tensor Tensor(object key, Func<Tensor> make)
    {
        if (values.TryGetValue(key, out var found)) return (Tensor)found;
        using var scope = NewDisposeScope();
        var made = make().DetachFromDisposeScope();
        values[key] = made;
        return made;
    }

    internal T Object<T>(object key, Func<T> make) where T : class, IDisposable
    {
        if (values.TryGetValue(key, out var found)) return (T)found;
        using var scope = NewDisposeScope();
        var made = make();
        values[key] = made;
        return made;
    }

    public void Dispose()
    {
        foreach (var value in values.Values) ((IDisposable)value).Dispose();
        values.Clear();
    }
}

/// <summary>Views of a version's slots.</summary>
internal static class VersionViews
{
    internal static DerivedTensors Derivatives(this LayerVersion version) => (DerivedTensors)(version.Derived ??= new DerivedTensors());

    /// <summary>A trainable tensor in <paramref name="type"/>: a view in fp32, else a cast made once per version.</summary>
    internal static Tensor Value(this LayerVersion version, ParameterSlot slot, ScalarType type) =>
        version.Derivatives().Tensor(slot, () => slot.View(version.Parameters).to(type));

    /// <summary>A constant in <paramref name="type"/>.</summary>
    internal static Tensor Constant(this LayerVersion version, ParameterSlot slot, ScalarType type) =>
        version.Derivatives().Tensor(slot, () => slot.View(version.Constants).to(type));

    /// <summary>The slot's part of a flat buffer, in its shape.</summary>
    internal static Tensor View(this ParameterSlot slot, Tensor flat)
    {
        using var part = flat.narrow(0, slot.Offset, slot.Count);
        return part.view(slot.Shape);
    }
}
