using TorchSharp;

namespace Peft.Orleans.Kernels.Torch;

/// <summary>
/// Numbers as arguments of libtorch's operators. TorchSharp passes a Scalar's pointer and no longer holds the object: a collection during
/// the call would free the number that libtorch is about to read. These live on until their thread has not used them for a long time, and
/// are then freed here. A number is made once, not for each call: made anew it would lie between the tensors of a pass and cut their free
/// memory in pieces.
/// </summary>
internal static class Scalars
{
    /// <summary>Numbers that a thread uses before those it has not used meanwhile are freed: many more than one call has.</summary>
    private const int Recent = 512;

    [ThreadStatic]
    private static Dictionary<(long Bits, bool Whole), Scalar>? recent;

    [ThreadStatic]
    private static Dictionary<(long Bits, bool Whole), Scalar>? former;

    /// <summary>1, never freed: the factor of plain sums.</summary>
    internal static Scalar One { get; } = 1L.ToScalar();

    /// <summary>A number for one call.</summary>
    internal static Scalar Held(double value) => Find((BitConverter.DoubleToInt64Bits(value), false));

    /// <summary>A whole number for one call.</summary>
    internal static Scalar Held(long value) => Find((value, true));

    internal static torch.Tensor Squared(this torch.Tensor x) => x.mul(x);

    private static Scalar Find((long Bits, bool Whole) key)
    {
        recent ??= [];
        former ??= [];
        if (recent.TryGetValue(key, out var found)) return found;
        if (recent.Count >= Recent)
        {
            foreach (var unused in former.Values) unused.Dispose();
            (former, recent) = (recent, []);
        }

        if (!former.Remove(key, out found)) found = key.Whole ? key.Bits.ToScalar() : BitConverter.Int64BitsToDouble(key.Bits).ToScalar();
        return recent[key] = found;
    }
}
