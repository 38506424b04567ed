using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Peft.Orleans.Kernels.Fused;

/// <summary>
/// Arranges parts of a bf16 matrix in pairs, as AVX-512's bf16 products take them: a word holds two neighbours of the sum, the first in its lower half,
/// and the words of all columns follow each other.
/// </summary>
internal static unsafe class PairPacking
{
    /// <summary>Columns come in multiples of this: the words of a vector.</summary>
    internal const int Columns = 16;

    /// <summary>
    /// The columns of the product are rows of the matrix, <paramref name="stride"/> words apart: <c>to[pair, column] = from[column, pair]</c>, a transposition
    /// of words.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Transposed(uint* from, nint stride, int pairs, int columns, uint* to)
    {
        for (var column = 0; column < columns; column += Columns)
        {
            var pair = 0;
            for (; pair <= pairs - Columns; pair += Columns) Square(from + (column * stride) + pair, stride, to + ((nint)pair * columns) + column, columns);
            for (; pair < pairs; pair++)
            {
                for (var word = 0; word < Columns; word++) to[((nint)pair * columns) + column + word] = from[((column + word) * stride) + pair];
            }
        }
    }

    /// <summary>
    /// The columns of the product are those of the matrix, whose rows are <paramref name="stride"/> elements apart: two rows become one of words. After
    /// the last of <paramref name="rows"/> come zeros, up to <paramref name="pairs"/>.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Interleaved(ushort* from, nint stride, int rows, int columns, uint* to, int pairs)
    {
        var (lower, upper, narrow) = (Order(0, 2 * Columns), Order(Columns, 2 * Columns), Order(0, Columns));
        for (var pair = 0; pair < rows / 2; pair++, from += 2 * stride, to += columns)
        {
            var column = 0;
            for (; column <= columns - (2 * Columns); column += 2 * Columns)
            {
                var (first, second) = (Vector512.Load(from + column), Vector512.Load(from + stride + column));
                Avx512BW.PermuteVar32x16x2(first, lower, second).AsUInt32().Store(to + column);
                Avx512BW.PermuteVar32x16x2(first, upper, second).AsUInt32().Store(to + column + Columns);
            }

            if (column < columns) Avx512BW.PermuteVar32x16(Vector512.Create(Vector256.Load(from + column), Vector256.Load(from + stride + column)), narrow).AsUInt32().Store(to + column);
        }

        if (rows % 2 > 0)
        {
            for (var column = 0; column < columns; column += Columns) Avx512F.ConvertToVector512UInt32(Vector256.Load(from + column)).Store(to + column);
            to += columns;
        }

        for (var left = (nint)(pairs - ((rows + 1) / 2)) * columns; left > 0; left -= Columns, to += Columns) Vector512<uint>.Zero.Store(to);
    }

    /// <summary>Elements start, start + 1 … in turn with those <paramref name="apart"/> behind them.</summary>
    private static Vector512<ushort> Order(int start, int apart)
    {
        var order = stackalloc ushort[2 * Columns];
        for (var word = 0; word < Columns; word++) (order[2 * word], order[(2 * word) + 1]) = ((ushort)(start + word), (ushort)(start + word + apart));
        return Vector512.Load(order);
    }

    /// <summary>Sixteen rows of sixteen words: rows become columns, first within 128 bits, then between them.</summary>
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

    /// <summary>Of four rows: words j, 4 + j, 8 + j and 12 + j of each, the four rows' together.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Quarter(uint* from, nint stride, out Vector512<ulong> w0, out Vector512<ulong> w1, out Vector512<ulong> w2, out Vector512<ulong> w3)
    {
        var (r0, r1, r2, r3) = (Vector512.Load(from), Vector512.Load(from + stride), Vector512.Load(from + (2 * stride)), Vector512.Load(from + (3 * stride)));
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
