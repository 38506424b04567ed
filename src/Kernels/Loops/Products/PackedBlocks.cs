using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Loops.Products;

/// <summary>What a low-rank change adds to a product: <c>scale</c> times its hidden rows <c>[T, r]</c> with one of its factors.</summary>
internal readonly record struct LowRankTerm(Tensor Hidden, Tensor Factor, float Scale);

/// <summary>
/// Products of rows with a matrix, a block of the result's columns after the other: a thread arranges the block's part of the matrix in
/// memory of its own, multiplies rows with it, and rounds the sums once, as they leave its cache. All rows, where there are blocks for all
/// threads; of a narrow result, as low-rank hidden rows are, a thread makes some rows. On processors with AVX-512.
/// </summary>
/// <remarks>
/// A sum runs over its terms in order, <see cref="PartBytes"/> of the matrix at a time: neither the number of threads nor the rows beside
/// it change a bit.
/// </remarks>
internal static unsafe class PackedBlocks
{
    /// <summary>Rows multiplied at a time.</summary>
    private const int Height = 64;

    /// <summary>Rows that the kernel is made for: multiples of this.</summary>
    private const int RowStep = 16;

    /// <summary>Fewer rows do not repay the arranging of the matrix.</summary>
    private const int LeastRows = 32;

    /// <summary>Rows whose sums a thread keeps while it goes through the parts of a long sum.</summary>
    private const int MostRows = 512;

    /// <summary>Columns of a block; fewer where there would not be as many for every thread.</summary>
    private const int WideColumns = 96, NarrowColumns = 32;

    /// <summary>Of the matrix arranged at a time: what a core's own cache holds beside the rows.</summary>
    private const int PartBytes = 600_000;

    private struct Arguments
    {
        internal byte* Left;
        internal byte* Matrix;
        internal byte* Result;
        internal byte* Scratch;
        internal int Rows;
        internal int Columns;
        internal int Sum;
        internal int Width;
        internal int Terms;
        internal int Chunk;
        internal float Scale;
        internal bool Add;
        internal bool Transposed;
        internal byte* Hidden; // of a low-rank term; null: none
        internal byte* Factor;
        internal int Rank;
        internal float FactorScale;

        internal readonly int Blocks => (Columns + Width - 1) / Width;

        internal readonly int Chunks => (Rows + Chunk - 1) / Chunk;

        internal readonly long SumBytes => (long)Chunk * Width * sizeof(float);

        internal readonly long MatrixBytes(int size) => (long)Terms * Width * size;

        internal readonly long FactorBytes(int size) => (long)Rank * Width * size;

        internal readonly long WorkerBytes(int size) =>
            SumBytes + MatrixBytes(size) + (Rank == 0 ? 0 : FactorBytes(size) + ((long)Height * Width * sizeof(float)));
    }

    /// <summary>Whether it can make a product of these rows with this matrix, <paramref name="columns"/> wide.</summary>
    internal static bool Fit(Tensor rows, Tensor matrix, long columns) =>
        (rows.dtype, matrix.dtype) switch
        {
            (ScalarType.BFloat16, ScalarType.BFloat16) => BlockKernel.HasHalf,
            (ScalarType.Float32, ScalarType.Float32 or ScalarType.BFloat16) => BlockKernel.HasSingle,
            _ => false,
        }
        && rows.shape[0] >= LeastRows && rows.shape[1] % 2 == 0 && columns % MatrixPacking.Columns == 0
        && rows.device_type == DeviceType.CPU && rows.is_contiguous() && matrix.is_contiguous();

    /// <summary>Whether a low-rank term can be added on the way.</summary>
    internal static bool Fit(Tensor rows, LowRankTerm term) =>
        term.Hidden.dtype == rows.dtype && term.Factor.dtype == rows.dtype
        && term.Hidden.shape[1] % 2 == 0 && term.Hidden.is_contiguous() && term.Factor.is_contiguous();

    /// <summary>
    /// Adds <c>scale · x [T, in] Wᵀ</c> to <paramref name="y"/> <c>[T, out]</c>, or makes it in the caller's scope; W <c>[out, in]</c>.
    /// </summary>
    internal static Tensor Product(Tensor x, Tensor matrix, Tensor? y, float scale, int threads)
    {
        var result = y ?? empty([x.shape[0], matrix.shape[0]], x.dtype);
        Run(x, matrix, result, add: y is not null, transposed: true, scale, null, threads);
        return result;
    }

    /// <summary><c>x Wᵀ + scale · hidden factorᵀ</c>, factor <c>[out, r]</c>, rounded once. In the caller's scope.</summary>
    internal static Tensor Product(Tensor x, Tensor matrix, LowRankTerm term, int threads)
    {
        var result = empty([x.shape[0], matrix.shape[0]], x.dtype);
        Run(x, matrix, result, add: false, transposed: true, 1, term, threads);
        return result;
    }

    /// <summary>Adds <c>scale · dy [T, out] W</c> to <paramref name="dx"/> <c>[T, in]</c>, or makes it in the caller's scope.</summary>
    internal static Tensor InputGradient(Tensor dy, Tensor matrix, Tensor? dx, float scale, int threads)
    {
        var result = dx ?? empty([dy.shape[0], matrix.shape[1]], dy.dtype);
        Run(dy, matrix, result, add: dx is not null, transposed: false, scale, null, threads);
        return result;
    }

    /// <summary>
    /// Adds <c>dy W + scale · hidden factor</c>, factor <c>[r, in]</c>, to <paramref name="dx"/> or makes it in the caller's scope, rounded
    /// once.
    /// </summary>
    internal static Tensor InputGradient(Tensor dy, Tensor matrix, Tensor? dx, LowRankTerm term, int threads)
    {
        var result = dx ?? empty([dy.shape[0], matrix.shape[1]], dy.dtype);
        Run(dy, matrix, result, add: dx is not null, transposed: false, 1, term, threads);
        return result;
    }

    private static void Run(
        Tensor left,
        Tensor matrix,
        Tensor result,
        bool add,
        bool transposed,
        float scale,
        LowRankTerm? term,
        int threads)
    {
        var half = left.dtype == ScalarType.BFloat16;
        var size = half ? HalfElements.Size : SingleElements.Size;
        var arguments = new Arguments
        {
            Left = TensorMemory.Of(left),
            Matrix = TensorMemory.Of(matrix),
            Result = TensorMemory.Of(result),
            Rows = (int)left.shape[0],
            Columns = (int)result.shape[1],
            Sum = (int)left.shape[1],
            Scale = scale,
            Add = add,
            Transposed = transposed,
        };
        if (term is { } low)
        {
            arguments.Hidden = TensorMemory.Of(low.Hidden);
            arguments.Factor = TensorMemory.Of(low.Factor);
            arguments.Rank = (int)low.Hidden.shape[1];
            arguments.FactorScale = low.Scale;
        }

        arguments.Width = WidthFor(arguments.Columns, threads);
        arguments.Terms = TermsFor(arguments.Sum, size);
        arguments.Chunk = ChunkFor(arguments.Rows, arguments.Blocks, threads);
        using var scratch = empty([threads, arguments.WorkerBytes(size)], ScalarType.Byte);
        arguments.Scratch = TensorMemory.Of(scratch);
        delegate*<void*, int, int, void> body = half ? &Unit<HalfElements, HalfElements>
            : matrix.dtype == ScalarType.Float32 ? &Unit<SingleElements, SingleElements> : &Unit<SingleElements, WidenedMatrix>;
        TorchThreads.RunUnits(arguments.Blocks * arguments.Chunks, body, &arguments, threads);
    }

    internal static int WidthFor(int columns, int threads)
    {
        var blocks = (columns + WideColumns - 1) / WideColumns;
        return Math.Min(columns, blocks >= 8 * threads || blocks % threads == 0 ? WideColumns : NarrowColumns);
    }

    /// <summary>Terms of a sum added at a time, whatever the width: equal parts, in multiples of a vector's words.</summary>
    private static int TermsFor(int sum, int size)
    {
        var parts = (sum + (PartBytes / size / WideColumns) - 1) / (PartBytes / size / WideColumns);
        return parts == 1 ? sum : ((sum + parts - 1) / parts + 31) / 32 * 32;
    }

    /// <summary>Rows of a unit of work: all, or where there are fewer blocks than threads as many as give each thread some.</summary>
    private static int ChunkFor(int rows, int blocks, int threads)
    {
        var parts = Math.Max(blocks >= threads ? 1 : (threads + blocks - 1) / blocks, (rows + MostRows - 1) / MostRows);
        return ((rows + parts - 1) / parts + Height - 1) / Height * Height;
    }

    /// <summary>
    /// A chunk of rows with a block of columns. The last rows are taken again with some before them, so that few heights of kernels are
    /// made.
    /// </summary>
    private static void Unit<T, TMatrix>(void* pointer, int unit, int worker)
        where T : struct, IPackedElements
        where TMatrix : struct, IPackedMatrix
    {
        var a = (Arguments*)pointer;
        var first = unit / a->Chunks * a->Width;
        var width = Math.Min(a->Width, a->Columns - first);
        var from = unit % a->Chunks * a->Chunk;
        var end = Math.Min(a->Rows, from + a->Chunk);
        var most = Math.Min(Height, a->Rows - (a->Rows % RowStep));
        var sums = (float*)(a->Scratch + (worker * a->WorkerBytes(T.Size)));
        var part = (uint*)((byte*)sums + a->SumBytes);
        var factor = (uint*)((byte*)part + a->MatrixBytes(T.Size));
        if (a->Rank > 0) Arrange<T>(a, a->Factor, a->Rank, 0, a->Rank, first, width, factor);
        for (var term = 0; term < a->Sum; term += a->Terms)
        {
            var terms = Math.Min(a->Terms, a->Sum - term);
            Arrange<TMatrix>(a, a->Matrix, a->Sum, term, terms, first, width, part);
            for (var row = from; row < end;)
            {
                var count = Math.Min(most, (end - row + RowStep - 1) / RowStep * RowStep);
                var start = Math.Min(row, a->Rows - count);
                var of = sums + ((nint)(row - from) * width);
                T.Multiply(count, width, terms, a->Left + ((((nint)start * a->Sum) + term) * T.Size), a->Sum, part, of, add: term > 0);
                if (term + terms == a->Sum) Finish<T>(a, of, factor, row, start, count, first, width);
                row = start + count;
            }
        }
    }

    /// <summary>
    /// Terms [term, term + terms) of columns [first, first + width) of a matrix <c>[columns, sum]</c> or, not transposed,
    /// <c>[sum, columns]</c>.
    /// </summary>
    private static void Arrange<TMatrix>(Arguments* a, byte* matrix, int sum, int term, int terms, int first, int width, uint* to)
        where TMatrix : struct, IPackedMatrix
    {
        if (a->Transposed) TMatrix.Transposed(matrix + ((((nint)first * sum) + term) * TMatrix.HeldSize), sum, terms, width, to);
        else TMatrix.Plain(matrix + ((((nint)term * a->Columns) + first) * TMatrix.HeldSize), a->Columns, terms, width, to, terms);
    }

    /// <summary>
    /// Sums of rows [start, start + count), complete: with the low-rank term, from <paramref name="row"/> on to the result.
    /// </summary>
    private static void Finish<T>(Arguments* a, float* sums, uint* factor, int row, int start, int count, int first, int width)
        where T : struct, IPackedElements
    {
        var skipped = (row - start) * width;
        var result = a->Result + ((((nint)row * a->Columns) + first) * T.Size);
        if (a->Rank == 0)
        {
            Store<T>(a, sums + skipped, start + count - row, width, result);
            return;
        }

        var low = (float*)((byte*)factor + a->FactorBytes(T.Size));
        T.Multiply(count, width, a->Rank, a->Hidden + ((nint)start * a->Rank * T.Size), a->Rank, factor, low, add: false);
        AddFactor(sums + skipped, low + skipped, (start + count - row) * width, a->FactorScale);
        Store<T>(a, sums + skipped, start + count - row, width, result);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddFactor(float* sums, float* low, int count, float scale)
    {
        var wide = Vector512.Create(scale);
        for (var i = 0; i < count; i += MatrixPacking.Columns)
            (Vector512.Load(sums + i) + (Vector512.Load(low + i) * wide)).Store(sums + i);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Store<T>(Arguments* a, float* sums, int rows, int width, byte* result) where T : struct, IPackedElements
    {
        var (stride, scale) = ((nint)a->Columns * T.Size, Vector512.Create(a->Scale));
        if (a->Add)
        {
            for (var row = 0; row < rows; row++, sums += width, result += stride)
            {
                for (var i = 0; i < width; i += MatrixPacking.Columns)
                    T.Store(result, i, (Vector512.Load(sums + i) * scale) + T.Load(result, i));
            }
        }
        else
        {
            for (var row = 0; row < rows; row++, sums += width, result += stride)
            {
                for (var i = 0; i < width; i += MatrixPacking.Columns) T.Store(result, i, Vector512.Load(sums + i) * scale);
            }
        }
    }
}
