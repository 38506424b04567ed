using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Loops.Rows;

/// <summary>
/// GELU by its tanh formula, <c>x · σ(2u)</c> with u = √(2/π) (x + 0.044715 x³), and its gradient, one pass over memory each.
/// </summary>
internal static unsafe class GeluLoops
{
    /// <summary>√(2/π), and the factor of the cube in it.</summary>
    internal const float Root = 0.79788456f, Cubic = 0.044715f;

    private struct Arguments
    {
        internal byte* X;
        internal byte* Result;
        internal int Columns;
    }

    /// <summary>The activation of rows, in the caller's scope.</summary>
    internal static Tensor Forward(Tensor x)
    {
        var result = empty_like(x);
        Run(x, result, 3, x.dtype == ScalarType.Float32 ? &Activate<Float32Lanes> : &Activate<BFloat16Lanes>);
        return result;
    }

    /// <summary>x's gradient, written over that of the activation.</summary>
    internal static Tensor Backward(Tensor x, Tensor dy)
    {
        Run(x, dy, 4, x.dtype == ScalarType.Float32 ? &Back<Float32Lanes> : &Back<BFloat16Lanes>);
        return dy;
    }

    private static void Run(Tensor x, Tensor result, int work, delegate*<void*, int, int, void> body)
    {
        var arguments = new Arguments
        {
            X = TensorMemory.Of(x),
            Result = TensorMemory.Of(result),
            Columns = (int)x.shape[1],
        };
        TorchThreads.Run((int)x.shape[0], work * x.shape[1], body, &arguments);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Activate<T>(void* pointer, int from, int to) where T : struct, ILanes
    {
        var a = (Arguments*)pointer;
        var n = a->Columns;
        var wide = Lanes.Wide(n);
        for (var row = from; row < to; row++)
        {
            var offset = (nint)row * n * T.Size;
            var x = a->X + offset;
            var y = a->Result + offset;
            for (var i = 0; i < wide; i += Lanes.WideCount)
            {
                var v = T.LoadWide(x, i);
                var inner = Vector512.FusedMultiplyAdd(v * v, Vector512.Create(2 * Root * Cubic), Vector512.Create(2 * Root));
                T.StoreWide(y, i, v * Lanes.Sigmoid(v * inner));
            }

            for (var i = wide; i < n; i += ILanes.Count)
            {
                var v = T.Load(x, i);
                var inner = Vector256.FusedMultiplyAdd(v * v, Vector256.Create(2 * Root * Cubic), Vector256.Create(2 * Root));
                T.Store(y, i, v * Lanes.Sigmoid(v * inner));
            }
        }
    }

    // d/dx = σ + x σ (1 − σ) 2u', 2u' = 2 √(2/π) (1 + 3 · 0.044715 x²).
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Back<T>(void* pointer, int from, int to) where T : struct, ILanes
    {
        var a = (Arguments*)pointer;
        var n = a->Columns;
        var wide = Lanes.Wide(n);
        for (var row = from; row < to; row++)
        {
            var offset = (nint)row * n * T.Size;
            var x = a->X + offset;
            var d = a->Result + offset;
            for (var i = 0; i < wide; i += Lanes.WideCount)
            {
                var v = T.LoadWide(x, i);
                var square = v * v;
                var inner = Vector512.FusedMultiplyAdd(square, Vector512.Create(2 * Root * Cubic), Vector512.Create(2 * Root));
                var sigmoid = Lanes.Sigmoid(v * inner);
                var outer = Vector512.FusedMultiplyAdd(square, Vector512.Create(6 * Root * Cubic), Vector512.Create(2 * Root));
                var slope = Vector512.FusedMultiplyAdd(v * sigmoid * outer, Vector512<float>.One - sigmoid, sigmoid);
                T.StoreWide(d, i, T.LoadWide(d, i) * slope);
            }

            for (var i = wide; i < n; i += ILanes.Count)
            {
                var v = T.Load(x, i);
                var square = v * v;
                var inner = Vector256.FusedMultiplyAdd(square, Vector256.Create(2 * Root * Cubic), Vector256.Create(2 * Root));
                var sigmoid = Lanes.Sigmoid(v * inner);
                var outer = Vector256.FusedMultiplyAdd(square, Vector256.Create(6 * Root * Cubic), Vector256.Create(2 * Root));
                var slope = Vector256.FusedMultiplyAdd(v * sigmoid * outer, Vector256<float>.One - sigmoid, sigmoid);
                T.Store(d, i, T.Load(d, i) * slope);
            }
        }
    }
}
