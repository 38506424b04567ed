using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Loops.Products;

/// <summary>
/// Products of fp32 rows with a matrix held in fp32 or bf16, a block of the result's columns after the other: a thread multiplies a block
/// alone, and one that is held in bf16 becomes fp32 in memory of the thread's own, which stays in its cache. For results wide enough that
/// every thread has blocks of its own. MKL shares such a product among threads otherwise, and took up to 1.7 times as long for a head's
/// logits.
/// </summary>
/// <remarks>
/// Both ways of holding the same numbers give the same bits. The number of threads chooses the blocks, and with them the order of sums.
/// </remarks>
internal static unsafe class ColumnBlocks
{
    /// <summary>
    /// Elements of the matrix that a block multiplies at a time: in fp32 they take no more than a core's own cache of 512 KB.
    /// </summary>
    internal const int Piece = 120 << 10;

    private struct Arguments
    {
        internal float* Left;
        internal byte* Matrix;
        internal float* Result;
        internal float* Scratch;
        internal int Rows;
        internal int Columns;
        internal int Sum;
        internal int Width;
        internal bool Add;
        internal bool Transposed;

        internal readonly int Blocks => (Columns + Width - 1) / Width;

        /// <summary>How many terms of a sum are added at a time: equal parts, whole cache lines.</summary>
        internal readonly int Terms
        {
            get
            {
                var most = ColumnBlocks.Piece / Width;
                var pieces = (Sum + most - 1) / most;
                return Math.Min(most, ((Sum + pieces - 1) / pieces + 15) / 16 * 16);
            }
        }
    }

    /// <summary>
    /// Whether it can make a product of these rows with this matrix, <paramref name="columns"/> wide, and the threads all have work to its
    /// end.
    /// </summary>
    internal static bool Fit(Tensor rows, Tensor matrix, long columns, int threads) =>
        WidthFor(columns, threads) > 0
        && rows.dtype == ScalarType.Float32 && rows.shape[1] % ILanes.Count == 0 && columns % ILanes.Count == 0
        && matrix.dtype is ScalarType.Float32 or ScalarType.BFloat16
        && rows.device_type == DeviceType.CPU && SingleProducts.Found && rows.is_contiguous() && matrix.is_contiguous();

    /// <summary>Columns of a block: as many as give every thread as much to do, else none.</summary>
    private static int WidthFor(long columns, int threads)
    {
        foreach (var width in (ReadOnlySpan<int>)[192, 288])
        {
            var blocks = (columns + width - 1) / width;
            if (blocks >= 4 * threads || (blocks >= threads && blocks % threads == 0)) return width;
        }

        return 0;
    }

    /// <summary><c>x [T, in] → x Wᵀ [T, out]</c>, W <c>[out, in]</c>. In the caller's scope.</summary>
    internal static Tensor Product(Tensor x, Tensor matrix, int threads)
    {
        var result = empty([x.shape[0], matrix.shape[0]], ScalarType.Float32);
        Run(x, matrix, result, add: false, transposed: true, threads);
        return result;
    }

    /// <summary>Adds <c>dy [T, out] W</c> to <paramref name="dx"/> <c>[T, in]</c>, or makes it in the caller's scope.</summary>
    internal static Tensor InputGradient(Tensor dy, Tensor matrix, Tensor? dx, int threads)
    {
        var result = dx ?? empty([dy.shape[0], matrix.shape[1]], ScalarType.Float32);
        Run(dy, matrix, result, add: dx is not null, transposed: false, threads);
        return result;
    }

    private static void Run(Tensor left, Tensor matrix, Tensor result, bool add, bool transposed, int threads)
    {
        var single = matrix.dtype == ScalarType.Float32;
        using var scratch = single ? null : empty([threads, Piece], ScalarType.Float32);
        var arguments = new Arguments
        {
            Left = (float*)TensorMemory.Of(left),
            Matrix = TensorMemory.Of(matrix),
            Result = (float*)TensorMemory.Of(result),
            Scratch = scratch is null ? null : (float*)TensorMemory.Of(scratch),
            Rows = (int)left.shape[0],
            Columns = (int)result.shape[1],
            Sum = (int)left.shape[1],
            Width = WidthFor(result.shape[1], threads),
            Add = add,
            Transposed = transposed,
        };
        TorchThreads.RunUnits(arguments.Blocks, single ? &Unit<Float32Lanes> : &Unit<BFloat16Lanes>, &arguments, threads);
    }

    /// <summary>
    /// One block of the result's columns [first, first + width): transposed, those rows of W, whose columns are summed over, else those
    /// columns, whose rows are.
    /// </summary>
    private static void Unit<T>(void* pointer, int unit, int worker) where T : struct, ILanes
    {
        var a = (Arguments*)pointer;
        var first = unit * a->Width;
        var width = Math.Min(a->Width, a->Columns - first);
        var terms = a->Terms;
        for (var start = 0; start < a->Sum; start += terms)
        {
            var length = Math.Min(terms, a->Sum - start);
            var add = a->Add || start > 0;
            var left = a->Left + start;
            var result = a->Result + first;
            if (a->Transposed)
            {
                var stride = a->Sum;
                var block = Block<T>(a, worker, a->Matrix + ((((nint)first * stride) + start) * T.Size), ref stride, width, length);
                SingleProducts.Transposed(a->Rows, width, length, left, a->Sum, block, stride, result, a->Columns, add);
            }
            else
            {
                var stride = a->Columns;
                var block = Block<T>(a, worker, a->Matrix + ((((nint)start * stride) + first) * T.Size), ref stride, length, width);
                SingleProducts.Plain(a->Rows, width, length, left, a->Sum, block, stride, result, a->Columns, add);
            }
        }
    }

    /// <summary>A block of the matrix in fp32: where it lies, or in the worker's scratch, whose rows follow each other.</summary>
    private static float* Block<T>(Arguments* a, int worker, byte* at, ref int stride, int rows, int columns) where T : struct, ILanes
    {
        if (typeof(T) == typeof(Float32Lanes)) return (float*)at;
        var block = a->Scratch + ((nint)worker * Piece);
        Widening.Copy<T>(at, stride, block, rows, columns);
        stride = columns;
        return block;
    }
}
