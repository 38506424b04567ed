using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Fused;

/// <summary>
/// Products of bf16 rows with a bf16 matrix, a block of the result's columns after the other: a thread arranges the block's part of the matrix in memory
/// of its own, multiplies rows with it, and rounds the sums once, as they leave its cache. All rows, where there are blocks for all threads; of a narrow
/// result, as low-rank hidden rows are, a thread makes some rows.
/// </summary>
/// <remarks>A sum runs over all its terms in order: neither the number of threads nor that of the rows beside it changes a bit.</remarks>
internal static unsafe class HalfBlocks
{
    /// <summary>Rows multiplied at a time.</summary>
    private const int Height = 64;

    /// <summary>Rows that the kernel is made for: multiples of this.</summary>
    private const int RowStep = 16;

    /// <summary>Fewer rows do not repay the arranging of the matrix.</summary>
    private const int LeastRows = 32;

    /// <summary>Columns of a block where sums are short enough that it stays in a core's own cache.</summary>
    private const int WideColumns = 96;

    private const int WideSum = 2048;

    private struct Arguments
    {
        internal ushort* Left;
        internal ushort* Matrix;
        internal byte* Result;
        internal byte* Scratch;
        internal int Rows;
        internal int Columns;
        internal int Sum;
        internal int Width;
        internal int Chunk;
        internal float Scale;
        internal bool Add;

        internal readonly int Blocks => (Columns + Width - 1) / Width;

        internal readonly int Chunks => (Rows + Chunk - 1) / Chunk;

        /// <summary>Bytes of a worker's scratch: its part of the matrix, then sums.</summary>
        internal readonly long WorkerBytes => PartBytes + ((long)Height * Width * sizeof(float));

        internal readonly long PartBytes => (long)Sum * Width * sizeof(ushort);
    }

    /// <summary>Whether it can make a product of these rows with this matrix, <paramref name="columns"/> wide.</summary>
    internal static bool Fit(Tensor rows, Tensor matrix, long columns) =>
        rows.dtype == ScalarType.BFloat16 && matrix.dtype == ScalarType.BFloat16 && HalfProducts.Found
        && rows.shape[0] >= LeastRows && rows.shape[1] % 2 == 0 && columns % PairPacking.Columns == 0
        && rows.device_type == DeviceType.CPU && rows.is_contiguous() && matrix.is_contiguous();

    /// <summary>Adds <c>scale · x [T, in] Wᵀ</c> to <paramref name="y"/> <c>[T, out]</c>, or makes it in the caller's scope; W <c>[out, in]</c>.</summary>
    internal static Tensor Product(Tensor x, Tensor matrix, Tensor? y, float scale, int threads)
    {
        var result = y ?? empty([x.shape[0], matrix.shape[0]], ScalarType.BFloat16);
        Run(x, matrix, result, add: y is not null, scale, &Product, threads);
        return result;
    }

    /// <summary>Adds <c>scale · dy [T, out] W</c> to <paramref name="dx"/> <c>[T, in]</c>, or makes it in the caller's scope.</summary>
    internal static Tensor InputGradient(Tensor dy, Tensor matrix, Tensor? dx, float scale, int threads)
    {
        var result = dx ?? empty([dy.shape[0], matrix.shape[1]], ScalarType.BFloat16);
        Run(dy, matrix, result, add: dx is not null, scale, &InputGradient, threads);
        return result;
    }

    private static void Run(Tensor left, Tensor matrix, Tensor result, bool add, float scale, delegate*<void*, int, int, void> body, int threads)
    {
        var (columns, sum) = ((int)result.shape[1], (int)left.shape[1]);
        var arguments = new Arguments
        {
            Left = (ushort*)Fused.Rows.Of(left),
            Matrix = (ushort*)Fused.Rows.Of(matrix),
            Result = Fused.Rows.Of(result),
            Rows = (int)left.shape[0],
            Columns = columns,
            Sum = sum,
            Width = WidthFor(columns, sum, threads),
            Scale = scale,
            Add = add,
        };
        arguments.Chunk = ChunkFor(arguments.Rows, arguments.Blocks, threads);
        using var scratch = empty([threads, arguments.WorkerBytes], ScalarType.Byte);
        arguments.Scratch = Fused.Rows.Of(scratch);
        TorchThreads.RunUnits(arguments.Blocks * arguments.Chunks, body, &arguments, threads);
    }

    private static int WidthFor(int columns, int sum, int threads)
    {
        var blocks = (columns + WideColumns - 1) / WideColumns;
        return Math.Min(columns, sum <= WideSum && (blocks >= 8 * threads || blocks % threads == 0) ? WideColumns : 32);
    }

    /// <summary>Rows of a unit of work: all, or where there are fewer blocks than threads as many as give each thread some.</summary>
    private static int ChunkFor(int rows, int blocks, int threads)
    {
        var parts = blocks >= threads ? 1 : (threads + blocks - 1) / blocks;
        return ((rows + parts - 1) / parts + Height - 1) / Height * Height;
    }

    /// <summary>One block: rows [first, first + width) of W, whose columns are summed over.</summary>
    private static void Product(void* pointer, int unit, int worker)
    {
        var a = (Arguments*)pointer;
        var (first, width) = Columns(a, unit / a->Chunks);
        var part = (uint*)(a->Scratch + (worker * a->WorkerBytes));
        PairPacking.Transposed((uint*)(a->Matrix + ((nint)first * a->Sum)), a->Sum / 2, a->Sum / 2, width, part);
        Multiply(a, first, width, part, unit % a->Chunks * a->Chunk);
    }

    /// <summary>One block: columns [first, first + width) of W, whose rows are summed over.</summary>
    private static void InputGradient(void* pointer, int unit, int worker)
    {
        var a = (Arguments*)pointer;
        var (first, width) = Columns(a, unit / a->Chunks);
        var part = (uint*)(a->Scratch + (worker * a->WorkerBytes));
        PairPacking.Interleaved(a->Matrix + first, a->Columns, a->Sum, width, part, a->Sum / 2);
        Multiply(a, first, width, part, unit % a->Chunks * a->Chunk);
    }

    private static (int First, int Width) Columns(Arguments* a, int block)
    {
        var first = block * a->Width;
        return (first, Math.Min(a->Width, a->Columns - first));
    }

    /// <summary>A chunk of rows with a part of the matrix. The last ones are taken again with some before them, so that few heights of kernels are made.</summary>
    private static void Multiply(Arguments* a, int first, int width, uint* part, int from)
    {
        var sums = (float*)((byte*)part + a->PartBytes);
        var end = Math.Min(a->Rows, from + a->Chunk);
        var most = Math.Min(Height, a->Rows - (a->Rows % RowStep));
        for (var row = from; row < end;)
        {
            var count = Math.Min(most, (end - row + RowStep - 1) / RowStep * RowStep);
            var start = Math.Min(row, a->Rows - count);
            HalfProducts.Plain(count, width, a->Sum, a->Left + ((nint)start * a->Sum), a->Sum, part, sums, add: false);
            Store(a, sums + ((row - start) * width), start + count - row, width, a->Result + ((((nint)row * a->Columns) + first) * BFloat16Lanes.Size));
            row = start + count;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Store(Arguments* a, float* sums, int rows, int width, byte* result)
    {
        var (stride, scale) = ((nint)a->Columns * BFloat16Lanes.Size, Vector512.Create(a->Scale));
        if (a->Add)
        {
            for (var row = 0; row < rows; row++, sums += width, result += stride)
            {
                for (var i = 0; i < width; i += Lanes.WideCount) BFloat16Lanes.StoreWide(result, i, (Vector512.Load(sums + i) * scale) + BFloat16Lanes.LoadWide(result, i));
            }
        }
        else
        {
            for (var row = 0; row < rows; row++, sums += width, result += stride)
            {
                for (var i = 0; i < width; i += Lanes.WideCount) BFloat16Lanes.StoreWide(result, i, Vector512.Load(sums + i) * scale);
            }
        }
    }
}
