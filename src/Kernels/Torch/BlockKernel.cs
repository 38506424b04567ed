using System.Runtime.Intrinsics.X86;
using Peft.Orleans.Core.Cluster;
using unsafe Brgemm = delegate* unmanaged[Cdecl]<long, long, long, long, long, long, byte, void*, uint*, float*, byte, void>;

namespace Peft.Orleans.Kernels.Torch;

/// <summary>
/// Products of plain memory on the calling thread alone, by the kernel that libtorch's own fused attention multiplies with (oneDNN's
/// <c>brgemm</c>, <c>at::native::cpublas::brgemm</c>), with sums in fp32. What it multiplies with, B, lies arranged in a core's cache;
/// libtorch's products of whole matrices arrange it anew for each, and share it among threads late.
/// </summary>
/// <remarks>Each sum runs over its terms in order, whatever the numbers of rows and columns are.</remarks>
internal static unsafe class BlockKernel
{
    private const string HalfName = "_ZN2at6native7cpublas6brgemmEllllllbPKN3c108BFloat16ES5_Pfb";

    private const string SingleName = "_ZN2at6native7cpublas6brgemmEllllllbPKfS3_Pfb";

    private static readonly Brgemm MultiplyHalf = TakesHalf ? Find(HalfName, 2) : null;

    private static readonly Brgemm MultiplySingle = TakesSingle ? Find(SingleName, 1) : null;

    /// <summary>Whether it multiplies bf16 here.</summary>
    internal static bool HasHalf => MultiplyHalf != null;

    /// <summary>Whether it multiplies fp32 here.</summary>
    internal static bool HasSingle => MultiplySingle != null;

    /// <summary>Whether it should multiply bf16 here, and does.</summary>
    internal static BlockKernelState HalfState => State(TakesHalf, HasHalf);

    /// <summary>Whether it should multiply fp32 here, and does.</summary>
    internal static BlockKernelState SingleState => State(TakesSingle, HasSingle);

    /// <summary>
    /// With AMX the arrangement is another, and a thread's tiles would have to be given back: libtorch's own products stay.
    /// </summary>
    private static bool TakesHalf => Processor.HasAvx512BFloat16 && !Processor.HasAmxBFloat16 && Avx512BW.IsSupported;

    private static bool TakesSingle => Avx512BW.IsSupported;

    /// <summary>
    /// <c>C = A B</c>, or <c>C += A B</c> with <paramref name="add"/>, A in bf16: A <c>[m, k]</c> in rows that are
    /// <paramref name="aStride"/> elements apart, B in pairs of rows, <c>[k / 2, n]</c> words of which the lower half is the upper row's, C
    /// <c>[m, n]</c>, both without gaps; k even.
    /// </summary>
    internal static void Half(int m, int n, int k, void* a, int aStride, uint* b, float* c, bool add) =>
        MultiplyHalf(m, n, k, aStride, n, n, add ? (byte)1 : (byte)0, a, b, c, 1);

    /// <summary>As <see cref="Half"/> in fp32, with B <c>[k, n]</c> as it is.</summary>
    internal static void Single(int m, int n, int k, void* a, int aStride, uint* b, float* c, bool add) =>
        MultiplySingle(m, n, k, aStride, n, n, add ? (byte)1 : (byte)0, a, b, c, 0);

    private static BlockKernelState State(bool taken, bool found) =>
        found ? BlockKernelState.Found : taken ? BlockKernelState.Missing : BlockKernelState.OtherProcessor;

    private static Brgemm Find(string name, int terms)
    {
        var found = (Brgemm)TorchExports.Find(name);
        return found != null && Multiplies(found, terms) ? found : null;
    }

    /// <summary>
    /// The arrangement of B is oneDNN's own affair: a libtorch that has changed it must be noticed before it multiplies weights.
    /// </summary>
    private static bool Multiplies(Brgemm multiply, int terms)
    {
        const int m = 16, n = 32, k = 4;
        var a = stackalloc uint[m * k];
        var b = stackalloc uint[n * k];
        var c = stackalloc float[m * n];
        // Small whole numbers: every product and sum is exact.
        static int Left(int row, int term) => (row % 5) - term;
        static int Right(int term, int column) => (column % 7) - (2 * term);
        for (var row = 0; row < m; row++)
        {
            for (var term = 0; term < k; term++) Put(a, terms, (row * k) + term, Left(row, term));
        }

        for (var column = 0; column < n; column++)
        {
            for (var term = 0; term < k; term++)
                Put(b, terms, (((term / terms * n) + column) * terms) + (term % terms), Right(term, column));
        }

        multiply(m, n, k, k, n, n, 0, a, b, c, terms == 2 ? (byte)1 : (byte)0);
        for (var at = 0; at < m * n; at++)
        {
            var (row, column, sum) = (at / n, at % n, 0);
            for (var term = 0; term < k; term++) sum += Left(row, term) * Right(term, column);
            if (c[at] != sum) return false;
        }

        return true;
    }

    private static void Put(uint* to, int terms, int index, float value)
    {
        if (terms == 1) ((float*)to)[index] = value;
        else ((ushort*)to)[index] = (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16);
    }
}
