using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Fused;

/// <summary>
/// Gradients of low-rank factors: sums over tokens of products of few columns with many, both bf16, added to an fp32 gradient where it lies. A thread makes
/// a block of the many columns; nothing is rounded to bf16 on the way.
/// </summary>
/// <remarks>A sum runs over its tokens in order, <see cref="Piece"/> at a time, whatever the number of threads.</remarks>
internal static unsafe class HalfOuter
{
    /// <summary>Tokens added at a time: one kernel for all lengths, the last of which is filled up with zeros.</summary>
    internal const int Piece = 64;

    private const int WideColumns = 96, NarrowColumns = 32;

    private struct Arguments
    {
        internal ushort* Left;
        internal ushort* Right;
        internal float* Target;
        internal byte* Scratch;
        internal int Rows;
        internal int Rank;
        internal int Columns;
        internal int Width;
        internal float Scale;
        internal bool RankLast;

        internal readonly int Pieces => (Rows + Piece - 1) / Piece;

        internal readonly long PartBytes => (long)Piece * Width * sizeof(ushort);

        internal readonly long WorkerBytes => PartBytes + ((long)Rank * Width * sizeof(float));
    }

    /// <summary>Whether it can add up products of these rows: <paramref name="left"/> <c>[T, r]</c>, <paramref name="right"/> <c>[T, n]</c>.</summary>
    internal static bool Fit(Tensor left, Tensor right) =>
        left.dtype == ScalarType.BFloat16 && right.dtype == ScalarType.BFloat16 && HalfProducts.Found
        && left.shape[1] % PairPacking.Columns == 0 && right.shape[1] % PairPacking.Columns == 0
        && right.device_type == DeviceType.CPU && left.is_contiguous() && right.is_contiguous();

    /// <summary>
    /// <c>target += scale · leftᵀ right</c> for <c>left [T, r]</c>, <c>right [T, n]</c>: target fp32 <c>[r, n]</c>, or with <paramref name="rankLast"/> its
    /// transposed <c>[n, r]</c>.
    /// </summary>
    internal static void Add(Tensor target, Tensor left, Tensor right, float scale, bool rankLast, int threads)
    {
        var arguments = new Arguments
        {
            Right = (ushort*)Fused.Rows.Of(right),
            Target = (float*)Fused.Rows.Of(target),
            Rows = (int)right.shape[0],
            Rank = (int)left.shape[1],
            Columns = (int)right.shape[1],
            Scale = scale,
            RankLast = rankLast,
        };
        var wide = (arguments.Columns + WideColumns - 1) / WideColumns;
        arguments.Width = Math.Min(arguments.Columns, wide >= 8 * threads || wide % threads == 0 ? WideColumns : NarrowColumns);
        using var columns = empty([arguments.Pieces, arguments.Rank, Piece], ScalarType.BFloat16);
        using var scratch = empty([threads, arguments.WorkerBytes], ScalarType.Byte);
        arguments.Left = (ushort*)Fused.Rows.Of(columns);
        arguments.Scratch = Fused.Rows.Of(scratch);
        Turn((ushort*)Fused.Rows.Of(left), &arguments);
        TorchThreads.RunUnits((arguments.Columns + arguments.Width - 1) / arguments.Width, &Block, &arguments, threads);
    }

    /// <summary>Tokens of each column behind each other, piece by piece, the last filled up with zeros.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Turn(ushort* left, Arguments* a)
    {
        const int n = PairPacking.Columns;
        uint* rows = stackalloc uint[n * n], columns = stackalloc uint[n * n];
        for (var row = 0; row < a->Pieces * Piece; row += n)
        {
            for (var rank = 0; rank < a->Rank; rank += n)
            {
                for (var i = 0; i < n; i++)
                {
                    if (row + i < a->Rows) Avx512F.ConvertToVector512UInt32(Vector256.Load(left + ((nint)(row + i) * a->Rank) + rank)).Store(rows + (i * n));
                    else Vector512<uint>.Zero.Store(rows + (i * n));
                }

                PairPacking.Square(rows, n, columns, n);
                var to = a->Left + ((nint)(row / Piece) * a->Rank * Piece) + (rank * Piece) + (row % Piece);
                for (var i = 0; i < n; i++) Avx512F.ConvertToVector256UInt16(Vector512.Load(columns + (i * n))).Store(to + (i * Piece));
            }
        }
    }

    private static void Block(void* pointer, int unit, int worker)
    {
        var a = (Arguments*)pointer;
        var first = unit * a->Width;
        var width = Math.Min(a->Width, a->Columns - first);
        var part = (uint*)(a->Scratch + (worker * a->WorkerBytes));
        var sums = (float*)((byte*)part + a->PartBytes);
        for (var piece = 0; piece < a->Pieces; piece++)
        {
            var row = piece * Piece;
            PairPacking.Interleaved(a->Right + ((nint)row * a->Columns) + first, a->Columns, Math.Min(Piece, a->Rows - row), width, part, Piece / 2);
            HalfProducts.Plain(a->Rank, width, Piece, a->Left + ((nint)row * a->Rank), Piece, part, sums, add: piece > 0);
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
            for (var i = 0; i < width; i += PairPacking.Columns) (Vector512.Load(target + i) + (Vector512.Load(sums + i) * scale)).Store(target + i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddTransposed(Arguments* a, int first, int width, float* sums)
    {
        const int n = PairPacking.Columns;
        var scale = Vector512.Create(a->Scale);
        var turned = stackalloc float[n * n];
        for (var rank = 0; rank < a->Rank; rank += n)
        {
            for (var column = 0; column < width; column += n)
            {
                PairPacking.Square((uint*)(sums + (rank * width) + column), width, (uint*)turned, n);
                var target = a->Target + ((nint)(first + column) * a->Rank) + rank;
                for (var i = 0; i < n; i++, target += a->Rank) (Vector512.Load(target) + (Vector512.Load(turned + (i * n)) * scale)).Store(target);
            }
        }
    }
}
