using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Orleans.Kernels.Loops.Products;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Loops.Rows;

/// <summary>SwiGLU's product <c>silu(gate) ⊙ up</c> and its gradients, one pass over memory each.</summary>
internal static unsafe class GateLoops
{
    private struct Arguments
    {
        internal byte* Gate;
        internal byte* Up;
        internal byte* Product;
        internal byte* UpGradient;
        internal int Columns;
    }

    /// <summary><c>silu(gate) ⊙ up</c>, in the caller's scope.</summary>
    internal static Tensor Forward(Tensor gate, Tensor up)
    {
        var product = empty_like(gate);
        var arguments = new Arguments
        {
            Gate = TensorMemory.Of(gate),
            Up = TensorMemory.Of(up),
            Product = TensorMemory.Of(product),
            Columns = (int)gate.shape[1],
        };
        TorchThreads.Run(
            (int)gate.shape[0],
            2 * gate.shape[1],
            gate.dtype == ScalarType.Float32 ? &Multiply<Float32Lanes> : &Multiply<BFloat16Lanes>,
            &arguments);
        return product;
    }

    /// <summary>The gate's gradient, written over the product's, and up's, in the caller's scope.</summary>
    internal static (Tensor Gate, Tensor Up) Backward(Tensor gate, Tensor up, Tensor dProduct)
    {
        var dUp = empty_like(up);
        var arguments = new Arguments
        {
            Gate = TensorMemory.Of(gate),
            Up = TensorMemory.Of(up),
            Product = TensorMemory.Of(dProduct),
            UpGradient = TensorMemory.Of(dUp),
            Columns = (int)gate.shape[1],
        };
        TorchThreads.Run(
            (int)gate.shape[0],
            3 * gate.shape[1],
            gate.dtype == ScalarType.Float32 ? &Back<Float32Lanes> : &Back<BFloat16Lanes>,
            &arguments);
        return (dProduct, dUp);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply<T>(void* pointer, int from, int to) where T : struct, ILanes
    {
        var a = (Arguments*)pointer;
        var n = a->Columns;
        for (var row = from; row < to; row++)
        {
            var offset = (nint)row * n * T.Size;
            var gate = a->Gate + offset;
            var up = a->Up + offset;
            var product = a->Product + offset;
            var wide = Lanes.Wide(n);
            for (var i = 0; i < wide; i += Lanes.WideCount)
            {
                var g = T.LoadWide(gate, i);
                T.StoreWide(product, i, g * Lanes.Sigmoid(g) * T.LoadWide(up, i));
            }

            for (var i = wide; i < n; i += ILanes.Count)
            {
                var g = T.Load(gate, i);
                T.Store(product, i, g * Lanes.Sigmoid(g) * T.Load(up, i));
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Back<T>(void* pointer, int from, int to) where T : struct, ILanes
    {
        var a = (Arguments*)pointer;
        var n = a->Columns;
        for (var row = from; row < to; row++)
        {
            var offset = (nint)row * n * T.Size;
            var gate = a->Gate + offset;
            var up = a->Up + offset;
            var product = a->Product + offset;
            var dUp = a->UpGradient + offset;
            // silu' = σ + g σ (1 − σ).
            var wide = Lanes.Wide(n);
            for (var i = 0; i < wide; i += Lanes.WideCount)
            {
                var g = T.LoadWide(gate, i);
                var d = T.LoadWide(product, i);
                var sigmoid = Lanes.Sigmoid(g);
                var silu = g * sigmoid;
                T.StoreWide(dUp, i, d * silu);
                var slope = Vector512.FusedMultiplyAdd(silu, Vector512<float>.One - sigmoid, sigmoid);
                T.StoreWide(product, i, d * T.LoadWide(up, i) * slope);
            }

            for (var i = wide; i < n; i += ILanes.Count)
            {
                var g = T.Load(gate, i);
                var d = T.Load(product, i);
                var sigmoid = Lanes.Sigmoid(g);
                var silu = g * sigmoid;
                T.Store(dUp, i, d * silu);
                var slope = Vector256.FusedMultiplyAdd(silu, Vector256<float>.One - sigmoid, sigmoid);
                T.Store(product, i, d * T.Load(up, i) * slope);
            }
        }
    }
}
