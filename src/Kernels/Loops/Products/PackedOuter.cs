using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Loops.Products;

/// <summary>
/// Gradients of low-rank factors: sums over tokens of products of few columns with many, added to an fp32 gradient where it lies. A thread
/// makes a block of the many columns; where both are bf16, nothing is rounded to it on the way.
/// </summary>
/// <remarks>A sum runs over its tokens in order, <see cref="Piece"/> at a time, whatever the number of threads.</remarks>
internal static unsafe class PackedOuter
{
    /// <summary>Tokens added at a time: one kernel for all lengths, the last of which is filled up with zeros.</summary>
    internal const int Piece = 64;

    private struct Arguments
    {
        internal byte* Left;
        internal byte* Right;
        internal float* Target;
        internal byte* Scratch;
        internal int Rows;
        internal int Rank;
        internal int Columns;
        internal int Width;
        internal float Scale;
        internal bool RankLast;

        internal readonly int Pieces => (Rows + Piece - 1) / Piece;

        internal readonly long SumBytes => (long)Rank * Width * sizeof(float);

        internal readonly long WorkerBytes(int size) => SumBytes + ((long)Piece * Width * size);
    }

    /// <summary>
    /// Whether it can add up products of these rows: <paramref name="left"/> <c>[T, r]</c>, <paramref name="right"/> <c>[T, n]</c>.
    /// </summary>
    internal static bool Fit(Tensor left, Tensor right) =>
        left.dtype == right.dtype
        && (right.dtype == ScalarType.BFloat16 ? BlockKernel.HasHalf : right.dtype == ScalarType.Float32 && BlockKernel.HasSingle)
        && left.shape[1] % MatrixPacking.Columns == 0 && right.shape[1] % MatrixPacking.Columns == 0
        && right.device_type == DeviceType.CPU && left.is_contiguous() && right.is_contiguous();

    /// <summary>
    /// <c>target += scale · leftᵀ right</c> for <c>left [T, r]</c>, <c>right [T, n]</c>: target fp32 <c>[r, n]</c>, or with
    /// <paramref name="rankLast"/> its transposed <c>[n, r]</c>.
    /// </summary>
    internal static void Add(Tensor target, Tensor left, Tensor right, float scale, bool rankLast, int threads)
    {
        var half = right.dtype == ScalarType.BFloat16;
        var arguments = new Arguments
        {
            Right = TensorMemory.Of(right),
            Target = (float*)TensorMemory.Of(target),
            Rows = (int)right.shape[0],
            Rank = (int)left.shape[1],
            Columns = (int)right.shape[1],
            Scale = scale,
            RankLast = rankLast,
        };
        arguments.Width = PackedBlocks.WidthFor(arguments.Columns, threads);
        using var turned = empty([arguments.Pieces, arguments.Rank, Piece], right.dtype);
        using var scratch = empty([threads, arguments.WorkerBytes(half ? HalfElements.Size : SingleElements.Size)], ScalarType.Byte);
        arguments.Left = TensorMemory.Of(turned);
        arguments.Scratch = TensorMemory.Of(scratch);
        if (half) Turn<HalfElements>(TensorMemory.Of(left), &arguments);
        else Turn<SingleElements>(TensorMemory.Of(left), &arguments);
        TorchThreads.RunUnits(
            (arguments.Columns + arguments.Width - 1) / arguments.Width,
            half ? &Block<HalfElements> : &Block<SingleElements>,
            &arguments,
            threads);
    }

    /// <summary>Tokens of each column behind each other, piece by piece, the last filled up with zeros.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Turn<T>(byte* left, Arguments* a) where T : struct, IPackedElements
    {
        const int n = MatrixPacking.Columns;
        var room = stackalloc uint[n * n];
        var last = stackalloc byte[n * n * sizeof(float)];
        for (var row = 0; row < a->Pieces * Piece; row += n)
        {
            for (var rank = 0; rank < a->Rank; rank += n)
            {
                var from = left + ((((nint)row * a->Rank) + rank) * T.Size);
                var stride = (nint)a->Rank;
                if (row + n > a->Rows)
                {
                    // Rows past the last one.
                    for (var i = 0; i < n; i++)
                    {
                        var value = row + i < a->Rows ? T.Load(from + (i * stride * T.Size), 0) : Vector512<float>.Zero;
                        T.Store(last + (i * n * T.Size), 0, value);
                    }

                    from = last;
                    stride = n;
                }

                T.Turn(from, stride, a->Left + (((((nint)(row / Piece) * a->Rank) + rank) * Piece + (row % Piece)) * T.Size), Piece, room);
            }
        }
    }

    private static void Block<T>(void* pointer, int unit, int worker) where T : struct, IPackedElements
    {
        var a = (Arguments*)pointer;
        var first = unit * a->Width;
        var width = Math.Min(a->Width, a->Columns - first);
        var sums = (float*)(a->Scratch + (worker * a->WorkerBytes(T.Size)));
        var part = (uint*)((byte*)sums + a->SumBytes);
        for (var row = 0; row < a->Rows; row += Piece)
        {
            var right = a->Right + ((((nint)row * a->Columns) + first) * T.Size);
            T.Plain(right, a->Columns, Math.Min(Piece, a->Rows - row), width, part, Piece);
            T.Multiply(a->Rank, width, Piece, a->Left + ((nint)row * a->Rank * T.Size), Piece, part, sums, add: row > 0);
        }

        if (a->RankLast) AddTransposed(a, first, width, sums);
        else Add(a, first, width, sums);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Add(Arguments* a, int first, int width, float* sums)
    {
        var scale = Vector512.Create(a->Scale);
        for (var rank = 0; rank < a->Rank; rank++, sums += width)
        {
            var target = a->Target + ((nint)rank * a->Columns) + first;
            for (var i = 0; i < width; i += MatrixPacking.Columns)
                (Vector512.Load(target + i) + (Vector512.Load(sums + i) * scale)).Store(target + i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddTransposed(Arguments* a, int first, int width, float* sums)
    {
        const int n = MatrixPacking.Columns;
        var scale = Vector512.Create(a->Scale);
        var turned = stackalloc float[n * n];
        for (var rank = 0; rank < a->Rank; rank += n)
        {
            for (var column = 0; column < width; column += n)
            {
                MatrixPacking.Square((uint*)(sums + (rank * width) + column), width, (uint*)turned, n);
                var target = a->Target + ((nint)(first + column) * a->Rank) + rank;
                for (var i = 0; i < n; i++, target += a->Rank)
                    (Vector512.Load(target) + (Vector512.Load(turned + (i * n)) * scale)).Store(target);
            }
        }
    }
}
