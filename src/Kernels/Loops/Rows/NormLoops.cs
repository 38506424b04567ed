using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Orleans.Kernels.Loops.Products;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Loops.Rows;

/// <summary>RMSNorm over rows in one pass over memory, in fp32.</summary>
internal static unsafe class NormLoops
{
    private struct Arguments
    {
        internal byte* X;
        internal byte* Result;
        internal byte* Gradient;
        internal byte* Residual;
        internal float* Weight;
        internal float* Inverse;
        internal int Columns;
        internal float Epsilon;
    }

    /// <summary>1 / rms of each row <c>[T, 1]</c>, and the normalised rows in x's type; in the caller's scope.</summary>
    internal static (Tensor Inverse, Tensor Rows) Forward(Tensor x, Tensor weight, double epsilon)
    {
        var inverse = empty([x.shape[0], 1], ScalarType.Float32);
        var result = empty_like(x);
        var arguments = Of(x, result, weight, inverse);
        arguments.Epsilon = (float)epsilon;
        Run(x, 1, x.dtype == ScalarType.Float32 ? &Measure<Float32Lanes> : &Measure<BFloat16Lanes>, &arguments);
        return (inverse, result);
    }

    /// <summary>The normalised rows again.</summary>
    internal static Tensor Apply(Tensor x, Tensor inverse, Tensor weight)
    {
        var result = empty_like(x);
        var arguments = Of(x, result, weight, inverse);
        Run(x, 1, x.dtype == ScalarType.Float32 ? &Scale<Float32Lanes> : &Scale<BFloat16Lanes>, &arguments);
        return result;
    }

    /// <summary>dL/dx, plus <paramref name="residual"/> where there is one, in x's type.</summary>
    internal static Tensor Backward(Tensor dh, Tensor x, Tensor inverse, Tensor weight, Tensor? residual)
    {
        var result = empty_like(x);
        var arguments = Of(x, result, weight, inverse);
        arguments.Gradient = TensorMemory.Of(dh);
        arguments.Residual = residual is null ? null : TensorMemory.Of(residual);
        Run(x, 2, x.dtype == ScalarType.Float32 ? &Back<Float32Lanes> : &Back<BFloat16Lanes>, &arguments);
        return result;
    }

    private static void Run(Tensor x, int work, delegate*<void*, int, int, void> body, Arguments* arguments) =>
        TorchThreads.Run((int)x.shape[0], work * x.shape[1], body, arguments);

    private static Arguments Of(Tensor x, Tensor result, Tensor weight, Tensor inverse) => new()
    {
        X = TensorMemory.Of(x),
        Result = TensorMemory.Of(result),
        Weight = (float*)TensorMemory.Of(weight),
        Inverse = (float*)TensorMemory.Of(inverse),
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
            for (var i = 0; i < n; i += ILanes.Count)
            {
                var v = T.Load(x, i);
                sum = Vector256.FusedMultiplyAdd(v, v, sum);
            }

            a->Inverse[row] = 1 / MathF.Sqrt((Lanes.Sum(sum) / n) + a->Epsilon);
        }

        Scale<T>(pointer, from, to);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scale<T>(void* pointer, int from, int to) where T : struct, ILanes
    {
        var a = (Arguments*)pointer;
        var n = a->Columns;
        var weight = (byte*)a->Weight;
        for (var row = from; row < to; row++)
        {
            var x = a->X + ((nint)row * n * T.Size);
            var h = a->Result + ((nint)row * n * T.Size);
            var inverse = Vector256.Create(a->Inverse[row]);
            for (var i = 0; i < n; i += ILanes.Count)
                T.Store(h, i, T.Load(x, i) * inverse * Float32Lanes.Load(weight, i));
        }
    }

    // dx = r g − x r³ ⟨g, x⟩ / n with g = dh ⊙ w, r = 1 / rms.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Back<T>(void* pointer, int from, int to) where T : struct, ILanes
    {
        var a = (Arguments*)pointer;
        var n = a->Columns;
        var weight = (byte*)a->Weight;
        for (var row = from; row < to; row++)
        {
            var offset = (nint)row * n * T.Size;
            var x = a->X + offset;
            var dh = a->Gradient + offset;
            var dx = a->Result + offset;
            var residual = a->Residual == null ? null : a->Residual + offset;
            var dot = Vector256<float>.Zero;
            for (var i = 0; i < n; i += ILanes.Count)
                dot = Vector256.FusedMultiplyAdd(T.Load(dh, i) * Float32Lanes.Load(weight, i), T.Load(x, i), dot);
            var r = a->Inverse[row];
            var inverse = Vector256.Create(r);
            var factor = Vector256.Create(-(r * r * r * Lanes.Sum(dot) / n));
            for (var i = 0; i < n; i += ILanes.Count)
            {
                var value = T.Load(dh, i) * Float32Lanes.Load(weight, i) * inverse;
                value = Vector256.FusedMultiplyAdd(T.Load(x, i), factor, value);
                if (residual != null) value += T.Load(residual, i);
                T.Store(dx, i, value);
            }
        }
    }
}
