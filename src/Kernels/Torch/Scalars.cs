using TorchSharp;

namespace Peft.Orleans.Kernels.Torch;

/// <summary>
/// Numbers as arguments of libtorch's operators. TorchSharp passes a Scalar's pointer and no longer holds the object: a collection during the
/// call would free the number that libtorch is about to read. These live on for many calls of their thread, and are then freed here.
/// </summary>
internal static class Scalars
{
    private const int Alive = 1024;

    [ThreadStatic]
    private static Scalar?[]? ring;

    [ThreadStatic]
    private static uint next;

    /// <summary>1, never freed: the factor of plain sums.</summary>
    internal static Scalar One { get; } = 1L.ToScalar();

    /// <summary>A number for one call.</summary>
    internal static Scalar Held(double value) => Hold(value.ToScalar());

    /// <summary>A whole number for one call.</summary>
    internal static Scalar Held(long value) => Hold(value.ToScalar());

    /// <summary>The squares of all elements.</summary>
    internal static torch.Tensor Squared(this torch.Tensor x) => x.mul(x);

    private static Scalar Hold(Scalar scalar)
    {
        ref var place = ref (ring ??= new Scalar?[Alive])[next++ % Alive];
        place?.Dispose();
        return place = scalar;
    }
}
