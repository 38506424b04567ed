using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Peft.Orleans.Kernels.Torch;

namespace Peft.Orleans.Kernels.Loops.Products;

/// <summary>
/// Arranges parts of a matrix as <see cref="Torch.BlockKernel"/> multiplies with them: words, those of all columns behind each other. A
/// word is an fp32 or, as AVX-512's bf16 products take them, two bf16 that are neighbours in the sum, the first in its lower half.
/// </summary>
internal static unsafe class MatrixPacking
{
    /// <summary>Columns come in multiples of this: the words of a vector.</summary>
    internal const int Columns = 16;

    /// <summary>
    /// The columns of the product are rows of the matrix, <paramref name="stride"/> words apart:
    /// <c>to[word, column] = from[column, word]</c>, a transposition.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Transposed(uint* from, nint stride, int words, int columns, uint* to)
    {
        for (var column = 0; column < columns; column += Columns)
        {
            var word = 0;
            for (; word <= words - Columns; word += Columns)
                Square(from + (column * stride) + word, stride, to + ((nint)word * columns) + column, columns);
            for (; word < words; word++)
            {
                for (var i = 0; i < Columns; i++) to[((nint)word * columns) + column + i] = from[((column + i) * stride) + word];
            }
        }
    }

    /// <summary>As above for a bf16 matrix whose words shall be fp32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void TransposedWide(ushort* from, nint stride, int words, int columns, uint* to)
    {
        var wide = stackalloc uint[Columns * Columns];
        for (var column = 0; column < columns; column += Columns)
        {
            var word = 0;
            for (; word <= words - Columns; word += Columns)
            {
                for (var i = 0; i < Columns; i++) Widened(from + ((column + i) * stride) + word).Store(wide + (i * Columns));
                Square(wide, Columns, to + ((nint)word * columns) + column, columns);
            }

            for (; word < words; word++)
            {
                for (var i = 0; i < Columns; i++)
                    to[((nint)word * columns) + column + i] = (uint)from[((column + i) * stride) + word] << 16;
            }
        }
    }

    /// <summary>
    /// The columns of the product are those of the fp32 matrix, whose rows are <paramref name="stride"/> words apart. After the last of
    /// <paramref name="rows"/> come zeros, up to <paramref name="words"/>.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Plain(uint* from, nint stride, int rows, int columns, uint* to, int words)
    {
        for (var row = 0; row < rows; row++, from += stride, to += columns)
        {
            for (var column = 0; column < columns; column += Columns) Vector512.Load(from + column).Store(to + column);
        }

        Clear(to, (nint)(words - rows) * columns);
    }

    /// <summary>As above for a bf16 matrix whose words shall be fp32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void PlainWide(ushort* from, nint stride, int rows, int columns, uint* to, int words)
    {
        for (var row = 0; row < rows; row++, from += stride, to += columns)
        {
            for (var column = 0; column < columns; column += Columns) Widened(from + column).Store(to + column);
        }

        Clear(to, (nint)(words - rows) * columns);
    }

    /// <summary>As <see cref="Plain"/> for a bf16 matrix: two rows become one of words.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void PlainPairs(ushort* from, nint stride, int rows, int columns, uint* to, int words)
    {
        var (lower, upper, narrow) = (Order(0, 2 * Columns), Order(Columns, 2 * Columns), Order(0, Columns));
        for (var word = 0; word < rows / 2; word++, from += 2 * stride, to += columns)
        {
            var column = 0;
            for (; column <= columns - (2 * Columns); column += 2 * Columns)
            {
                var (first, second) = (Vector512.Load(from + column), Vector512.Load(from + stride + column));
                Avx512BW.PermuteVar32x16x2(first, lower, second).AsUInt32().Store(to + column);
                Avx512BW.PermuteVar32x16x2(first, upper, second).AsUInt32().Store(to + column + Columns);
            }

            if (column < columns)
            {
                var rest = Vector512.Create(Vector256.Load(from + column), Vector256.Load(from + stride + column));
                Avx512BW.PermuteVar32x16(rest, narrow).AsUInt32().Store(to + column);
            }
        }

        if (rows % 2 > 0)
        {
            for (var column = 0; column < columns; column += Columns)
                Avx512F.ConvertToVector512UInt32(Vector256.Load(from + column)).Store(to + column);
            to += columns;
        }

        Clear(to, (nint)(words - ((rows + 1) / 2)) * columns);
    }

    /// <summary>
    /// Sixteen rows of sixteen words: rows become columns, first within 128 bits, then between them. All are read before the first is
    /// written.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Square(uint* from, nint stride, uint* to, nint toStride)
    {
        Quarter(from, stride, out var a0, out var a1, out var a2, out var a3);
        Quarter(from + (4 * stride), stride, out var b0, out var b1, out var b2, out var b3);
        Quarter(from + (8 * stride), stride, out var c0, out var c1, out var c2, out var c3);
        Quarter(from + (12 * stride), stride, out var d0, out var d1, out var d2, out var d3);
        Store(a0, b0, c0, d0, to, toStride);
        Store(a1, b1, c1, d1, to + toStride, toStride);
        Store(a2, b2, c2, d2, to + (2 * toStride), toStride);
        Store(a3, b3, c3, d3, to + (3 * toStride), toStride);
    }

    /// <summary>As above of bf16; <paramref name="room"/> has place for the words.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void SquareHalf(ushort* from, nint stride, ushort* to, nint toStride, uint* room)
    {
        for (var i = 0; i < Columns; i++) Avx512F.ConvertToVector512UInt32(Vector256.Load(from + (i * stride))).Store(room + (i * Columns));
        Square(room, Columns, room, Columns);
        for (var i = 0; i < Columns; i++) Avx512F.ConvertToVector256UInt16(Vector512.Load(room + (i * Columns))).Store(to + (i * toStride));
    }

    /// <summary>Elements start, start + 1 … in turn with those <paramref name="apart"/> behind them.</summary>
    private static Vector512<ushort> Order(int start, int apart)
    {
        var order = stackalloc ushort[2 * Columns];
        for (var word = 0; word < Columns; word++)
            (order[2 * word], order[(2 * word) + 1]) = ((ushort)(start + word), (ushort)(start + word + apart));
        return Vector512.Load(order);
    }

    private static void Clear(uint* to, nint words)
    {
        for (; words > 0; words -= Columns, to += Columns) Vector512<uint>.Zero.Store(to);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Widened(ushort* from) => Vector512.ShiftLeft(Avx512F.ConvertToVector512UInt32(Vector256.Load(from)), 16);

    /// <summary>Of four rows: words j, 4 + j, 8 + j and 12 + j of each, the four rows' together.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Quarter(
        uint* from,
        nint stride,
        out Vector512<ulong> w0,
        out Vector512<ulong> w1,
        out Vector512<ulong> w2,
        out Vector512<ulong> w3)
    {
        var (r0, r1) = (Vector512.Load(from), Vector512.Load(from + stride));
        var (r2, r3) = (Vector512.Load(from + (2 * stride)), Vector512.Load(from + (3 * stride)));
        var (low01, high01) = (Avx512F.UnpackLow(r0, r1).AsUInt64(), Avx512F.UnpackHigh(r0, r1).AsUInt64());
        var (low23, high23) = (Avx512F.UnpackLow(r2, r3).AsUInt64(), Avx512F.UnpackHigh(r2, r3).AsUInt64());
        w0 = Avx512F.UnpackLow(low01, low23);
        w1 = Avx512F.UnpackHigh(low01, low23);
        w2 = Avx512F.UnpackLow(high01, high23);
        w3 = Avx512F.UnpackHigh(high01, high23);
    }

    /// <summary>Rows j, 4 + j, 8 + j and 12 + j of the result.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector512<ulong> a, Vector512<ulong> b, Vector512<ulong> c, Vector512<ulong> d, uint* to, nint stride)
    {
        const byte Even = 0b10_00_10_00, Odd = 0b11_01_11_01;
        var (evenAb, oddAb) = (Avx512F.Shuffle4x128(a, b, Even), Avx512F.Shuffle4x128(a, b, Odd));
        var (evenCd, oddCd) = (Avx512F.Shuffle4x128(c, d, Even), Avx512F.Shuffle4x128(c, d, Odd));
        Avx512F.Shuffle4x128(evenAb, evenCd, Even).AsUInt32().Store(to);
        Avx512F.Shuffle4x128(oddAb, oddCd, Even).AsUInt32().Store(to + (4 * stride));
        Avx512F.Shuffle4x128(evenAb, evenCd, Odd).AsUInt32().Store(to + (8 * stride));
        Avx512F.Shuffle4x128(oddAb, oddCd, Odd).AsUInt32().Store(to + (12 * stride));
    }
}
