using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Torch;

/// <summary>Sums whose order of additions is part of the result.</summary>
internal static class FixedOrder
{
    /// <summary>
    /// Sum of squares of a part of a flat fp32 tensor in float64: eight lanes, then the lanes in order. On a CPU it does not depend on the
    /// number of threads or the width of the vector unit.
    /// </summary>
    internal static double SquaredNorm(Tensor flat, long offset, long count)
    {
        if (count == 0) return 0;
        using var scope = NewDisposeScope();
        var part = flat.narrow(0, offset, count);
        if (part.device.type != DeviceType.CPU) return part.to(ScalarType.Float64).Squared().sum().item<double>();
        var total = 0.0;
        const long Chunk = 1L << 28;
        for (var start = 0L; start < count; start += Chunk)
            total += SquaredNorm(MemoryMarshal.Cast<byte, float>(part.narrow(0, start, Math.Min(Chunk, count - start)).bytes));
        return total;
    }

    internal static double SquaredNorm(ReadOnlySpan<float> values)
    {
        var (low, high) = (Vector256<double>.Zero, Vector256<double>.Zero);
        var i = 0;
        for (; i + 8 <= values.Length; i += 8)
        {
            var (a, b) = Vector256.Widen(Vector256.Create(values.Slice(i, 8)));
            // Multiply and add apart: a fused operation would round differently where the processor lacks it.
            low += a * a;
            high += b * b;
        }

        var tail = 0.0;
        for (; i < values.Length; i++) tail += (double)values[i] * values[i];
        var total = 0.0;
        for (var lane = 0; lane < 4; lane++) total += low[lane];
        for (var lane = 0; lane < 4; lane++) total += high[lane];
        return total + tail;
    }
}
