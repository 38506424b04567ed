using System.Runtime.InteropServices;
using Peft.Orleans.Core.Cluster;

namespace Peft.Orleans.Kernels.Torch;

/// <summary>
/// bf16 products of plain memory with sums in fp32, on the calling thread alone, by the kernel that libtorch's own fused attention multiplies with
/// (oneDNN's <c>brgemm</c>, <c>at::native::cpublas::brgemm</c>): 1.3 to 2 times as fast as <c>mm</c> on rows of 128 tokens, which arranges the matrix anew
/// for each product and shares it among threads late.
/// </summary>
internal static unsafe class HalfProducts
{
    private const string Name = "_ZN2at6native7cpublas6brgemmEllllllbPKN3c108BFloat16ES5_Pfb";

    private static readonly delegate* unmanaged[Cdecl]<long, long, long, long, long, long, byte, ushort*, uint*, float*, byte, void> Multiply = Find();

    /// <summary>Whether this libtorch has it, and this processor multiplies with it.</summary>
    internal static bool Found => Multiply != null;

    /// <summary>
    /// <c>C = A B</c>, or <c>C += A B</c> with <paramref name="add"/>; A <c>[m, k]</c> in rows that are <paramref name="aStride"/> elements apart, B in pairs of
    /// rows, <c>[k / 2, n]</c> words of which the lower half is the upper row's, C <c>[m, n]</c>, both without gaps; k even. Each sum runs over k in
    /// order, whatever m and n are.
    /// </summary>
    internal static void Plain(int m, int n, int k, ushort* a, int aStride, uint* b, float* c, bool add) =>
        Multiply(m, n, k, aStride, n, n, add ? (byte)1 : (byte)0, a, b, c, 1);

    private static delegate* unmanaged[Cdecl]<long, long, long, long, long, long, byte, ushort*, uint*, float*, byte, void> Find()
    {
        // With AMX the arrangement is another, and a thread's tiles would have to be given back: mm stays.
        if (!Processor.HasAvx512BFloat16 || Processor.HasAmxBFloat16) return null;
        if (!NativeLibrary.TryLoad("libtorch_cpu.so", typeof(HalfProducts).Assembly, null, out var library) || !NativeLibrary.TryGetExport(library, Name, out var export)) return null;
        var found = (delegate* unmanaged[Cdecl]<long, long, long, long, long, long, byte, ushort*, uint*, float*, byte, void>)export;
        return Multiplies(found) ? found : null;
    }

    /// <summary>The arrangement of B is oneDNN's own affair: a libtorch that has changed it must be noticed before it multiplies weights.</summary>
    private static bool Multiplies(delegate* unmanaged[Cdecl]<long, long, long, long, long, long, byte, ushort*, uint*, float*, byte, void> multiply)
    {
        const int m = 16, n = 32, k = 4;
        var a = stackalloc ushort[m * k];
        var b = stackalloc uint[n * k / 2];
        var c = stackalloc float[m * n];
        // Small whole numbers: every product and sum is exact.
        static ushort Of(int value) => (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16);
        static int Left(int row, int term) => (row % 5) - term;
        static int Right(int term, int column) => (column % 7) - (2 * term);
        for (var row = 0; row < m; row++)
        {
            for (var term = 0; term < k; term++) a[(row * k) + term] = Of(Left(row, term));
        }

        for (var column = 0; column < n; column++)
        {
            for (var pair = 0; pair < k / 2; pair++) b[(pair * n) + column] = Of(Right(2 * pair, column)) | ((uint)Of(Right((2 * pair) + 1, column)) << 16);
        }

        multiply(m, n, k, k, n, n, 0, a, b, c, 1);
        for (var at = 0; at < m * n; at++)
        {
            if (c[at] != Enumerable.Range(0, k).Sum(term => Left(at / n, term) * Right(term, at % n))) return false;
        }

        return true;
    }
}
