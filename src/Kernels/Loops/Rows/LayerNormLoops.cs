using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Loops.Rows;

/// <summary>LayerNorm over rows, in fp32 and one pass over memory: a row is read again while it is in the cache.</summary>
internal static unsafe class LayerNormLoops
{
    private struct Arguments
    {
        internal byte* X;
        internal byte* Result;
        internal byte* Gradient;
        internal byte* Residual;
        internal byte* Weight;
        internal byte* Bias;
        internal float* Statistics;
        internal int Columns;
        internal float Epsilon;
    }

    /// <summary>Mean and inverse deviation of each row <c>[T, 2]</c>, and the normalised rows in x's type; in the caller's scope.</summary>
    internal static (Tensor Statistics, Tensor Rows) Forward(Tensor x, Tensor weight, Tensor bias, double epsilon)
    {
        var statistics = empty([x.shape[0], 2], ScalarType.Float32);
        var result = empty_like(x);
        var arguments = Of(x, result, weight, statistics);
        arguments.Bias = TensorMemory.Of(bias);
        arguments.Epsilon = (float)epsilon;
        Run(x, 2, x.dtype == ScalarType.Float32 ? &Measure<Float32Lanes> : &Measure<BFloat16Lanes>, &arguments);
        return (statistics, result);
    }

    /// <summary>The normalised rows again.</summary>
    internal static Tensor Apply(Tensor x, Tensor statistics, Tensor weight, Tensor bias)
    {
        var result = empty_like(x);
        var arguments = Of(x, result, weight, statistics);
        arguments.Bias = TensorMemory.Of(bias);
        Run(x, 1, x.dtype == ScalarType.Float32 ? &Scale<Float32Lanes> : &Scale<BFloat16Lanes>, &arguments);
        return result;
    }

    /// <summary>dL/dx, plus <paramref name="residual"/> where there is one, in x's type.</summary>
    internal static Tensor Backward(Tensor dh, Tensor x, Tensor statistics, Tensor weight, Tensor? residual)
    {
        var result = empty_like(x);
        var arguments = Of(x, result, weight, statistics);
        arguments.Gradient = TensorMemory.Of(dh);
        arguments.Residual = residual is null ? null : TensorMemory.Of(residual);
        Run(x, 2, x.dtype == ScalarType.Float32 ? &Back<Float32Lanes> : &Back<BFloat16Lanes>, &arguments);
        return result;
    }

    private static void Run(Tensor x, int work, delegate*<void*, int, int, void> body, Arguments* arguments) =>
        TorchThreads.Run((int)x.shape[0], work * x.shape[1], body, arguments);

    private static Arguments Of(Tensor x, Tensor result, Tensor weight, Tensor statistics) => new()
    {
        X = TensorMemory.Of(x),
        Result = TensorMemory.Of(result),
        Weight = TensorMemory.Of(weight),
        Statistics = (float*)TensorMemory.Of(statistics),
        Columns = (int)x.shape[1],
    };

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Measure<T>(void* pointer, int from, int to) where T : struct, ILanes
    {
        var a = (Arguments*)pointer;
        var n = a->Columns;
        for (var row = from; row < to; row++)
        {
            var x = a->X + ((nint)row * n * T.Size);
            var sum = Vector256<float>.Zero;
            for (var i = 0; i < n; i += ILanes.Count) sum += T.Load(x, i);
            var mean = Lanes.Sum(sum) / n;
            // Of the centred row: the difference of two large squares would cancel.
            var squares = Vector256<float>.Zero;
            for (var i = 0; i < n; i += ILanes.Count)
            {
                var v = T.Load(x, i) - Vector256.Create(mean);
                squares = Vector256.FusedMultiplyAdd(v, v, squares);
            }

            a->Statistics[2 * row] = mean;
            a->Statistics[(2 * row) + 1] = 1 / MathF.Sqrt((Lanes.Sum(squares) / n) + a->Epsilon);
        }

        Scale<T>(pointer, from, to);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scale<T>(void* pointer, int from, int to) where T : struct, ILanes
    {
        var a = (Arguments*)pointer;
        var n = a->Columns;
        for (var row = from; row < to; row++)
        {
            var x = a->X + ((nint)row * n * T.Size);
            var h = a->Result + ((nint)row * n * T.Size);
            var mean = Vector256.Create(a->Statistics[2 * row]);
            var inverse = Vector256.Create(a->Statistics[(2 * row) + 1]);
            for (var i = 0; i < n; i += ILanes.Count)
            {
                var normalised = (T.Load(x, i) - mean) * inverse;
                var bias = Float32Lanes.Load(a->Bias, i);
                T.Store(h, i, Vector256.FusedMultiplyAdd(normalised, Float32Lanes.Load(a->Weight, i), bias));
            }
        }
    }

    // dx = (g − mean g − x̂ · mean(g ⊙ x̂)) / deviation with g = dh ⊙ w.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Back<T>(void* pointer, int from, int to) where T : struct, ILanes
    {
        var a = (Arguments*)pointer;
        var n = a->Columns;
        for (var row = from; row < to; row++)
        {
            var offset = (nint)row * n * T.Size;
            var x = a->X + offset;
            var dh = a->Gradient + offset;
            var dx = a->Result + offset;
            var residual = a->Residual == null ? null : a->Residual + offset;
            var mean = Vector256.Create(a->Statistics[2 * row]);
            var inverse = Vector256.Create(a->Statistics[(2 * row) + 1]);
            var (sum, dot) = (Vector256<float>.Zero, Vector256<float>.Zero);
            for (var i = 0; i < n; i += ILanes.Count)
            {
                var g = T.Load(dh, i) * Float32Lanes.Load(a->Weight, i);
                sum += g;
                dot = Vector256.FusedMultiplyAdd(g, (T.Load(x, i) - mean) * inverse, dot);
            }

            var average = Vector256.Create(Lanes.Sum(sum) / n);
            var along = Vector256.Create(-(Lanes.Sum(dot) / n));
            for (var i = 0; i < n; i += ILanes.Count)
            {
                var g = (T.Load(dh, i) * Float32Lanes.Load(a->Weight, i)) - average;
                var value = Vector256.FusedMultiplyAdd((T.Load(x, i) - mean) * inverse, along, g) * inverse;
                if (residual != null) value += T.Load(residual, i);
                T.Store(dx, i, value);
            }
        }
    }
}
