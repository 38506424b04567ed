using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Loops.Products;

/// <summary>bf16 made fp32, which is exact: each bf16 is the upper half of one.</summary>
internal static unsafe class Widening
{
    private struct Arguments
    {
        internal byte* From;
        internal float* To;
        internal int Columns;
    }

    internal static bool Fit(Tensor matrix) =>
        matrix.dtype == ScalarType.BFloat16 && Lanes.Fit(matrix, matrix.shape[1]) && matrix.is_contiguous();

    /// <summary>All elements of a matrix into one of the same shape, both without gaps.</summary>
    internal static void Copy(Tensor from, Tensor to)
    {
        var arguments = new Arguments { From = TensorMemory.Of(from), To = (float*)TensorMemory.Of(to), Columns = (int)from.shape[1] };
        TorchThreads.Run((int)from.shape[0], from.shape[1], &Part, &arguments);
    }

    /// <summary>A part of a matrix whose rows are <paramref name="stride"/> elements apart, into rows that follow each other.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Copy<T>(byte* from, int stride, float* to, int rows, int columns) where T : struct, ILanes
    {
        for (var row = 0; row < rows; row++, from += (nint)stride * T.Size, to += columns)
        {
            for (var i = 0; i < columns; i += ILanes.Count) T.Load(from, i).Store(to + i);
        }
    }

    private static void Part(void* pointer, int from, int to)
    {
        var a = (Arguments*)pointer;
        var offset = (nint)from * a->Columns;
        Copy<BFloat16Lanes>(a->From + (offset * BFloat16Lanes.Size), a->Columns, a->To + offset, to - from, a->Columns);
    }
}
