using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Peft.Orleans.Kernels.Loops.Products;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Loops.Rows;

/// <summary>Cross-entropy of logits, computed in fp32 without ever holding them so.</summary>
internal static unsafe class CrossEntropyLoops
{
    private struct Arguments
    {
        internal byte* Logits;
        internal long* Targets;
        internal double* Losses;
        internal int Columns;
        internal bool Gradient;
    }

    /// <summary>
    /// The sum of −log p(target) over the rows <c>[C, vocabulary]</c>; with <paramref name="gradient"/> the logits become softmax −
    /// one-hot.
    /// </summary>
    internal static double Loss(Tensor logits, Tensor targets, bool gradient)
    {
        var rows = (int)logits.shape[0];
        var losses = (double*)NativeMemory.Alloc((nuint)rows, sizeof(double));
        try
        {
            var arguments = new Arguments
            {
                Logits = TensorMemory.Of(logits),
                Targets = (long*)TensorMemory.Of(targets),
                Losses = losses,
                Columns = (int)logits.shape[1],
                Gradient = gradient,
            };
            TorchThreads.Run(
                rows,
                4 * logits.shape[1],
                logits.dtype == ScalarType.Float32 ? &Row<Float32Lanes> : &Row<BFloat16Lanes>,
                &arguments);
            var loss = 0.0;
            for (var i = 0; i < rows; i++) loss += losses[i];
            return loss;
        }
        finally
        {
            NativeMemory.Free(losses);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Row<T>(void* pointer, int from, int to) where T : struct, ILanes
    {
        const int Stretch = 1024;
        var a = (Arguments*)pointer;
        var n = a->Columns;
        for (var row = from; row < to; row++)
        {
            var logits = a->Logits + ((nint)row * n * T.Size);
            var largest = Vector256.Create(float.NegativeInfinity);
            for (var i = 0; i < n; i += ILanes.Count) largest = Vector256.MaxNative(largest, T.Load(logits, i));

            var maximum = Lanes.Max(largest);
            var shift = Vector256.Create(maximum);
            var wideShift = Vector512.Create(maximum);
            // Short sums in fp32, the long one in float64: a vocabulary is too long for one of fp32.
            var total = 0.0;
            for (var start = 0; start < n; start += Stretch)
            {
                var end = Math.Min(n, start + Stretch);
                var sum = Vector256<float>.Zero;
                var wideEnd = start + Lanes.Wide(end - start);
                for (var i = start; i < wideEnd; i += Lanes.WideCount)
                {
                    var e = Lanes.Exp(T.LoadWide(logits, i) - wideShift);
                    // In the order of the narrow loop.
                    sum = sum + e.GetLower() + e.GetUpper();
                }

                for (var i = wideEnd; i < end; i += ILanes.Count) sum += Lanes.Exp(T.Load(logits, i) - shift);
                total += Lanes.Sum(sum);
            }

            var target = (int)a->Targets[row];
            var atTarget = Lanes.LoadEnd<T>(logits, target, target + 1)[0];
            a->Losses[row] = Math.Log(total) - ((double)atTarget - maximum);
            if (!a->Gradient) continue;
            var scale = Vector256.Create((float)(1 / total));
            var pTarget = (Lanes.Exp(Vector256.Create(atTarget - maximum)) * scale)[0];
            var wide = Lanes.Wide(n);
            var wideScale = Vector512.Create(scale, scale);
            for (var i = 0; i < wide; i += Lanes.WideCount)
                T.StoreWide(logits, i, Lanes.Exp(T.LoadWide(logits, i) - wideShift) * wideScale);
            for (var i = wide; i < n; i += ILanes.Count) T.Store(logits, i, Lanes.Exp(T.Load(logits, i) - shift) * scale);
            Lanes.StoreEnd<T>(logits, target, target + 1, Vector256.Create(pTarget - 1));
        }
    }
}
