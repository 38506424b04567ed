using unsafe Sgemm =
    delegate* unmanaged[Cdecl]<byte*, byte*, int*, int*, int*, float*, float*, int*, float*, int*, float*, float*, int*, void>;

namespace Peft.Orleans.Kernels.Torch;

/// <summary>
/// fp32 products of plain memory, row after row, by the library that libtorch itself multiplies with (MKL's <c>SGEMM</c>): for loops of
/// ours that multiply between their own steps, where a tensor for each operand would cost more than the product.
/// </summary>
internal static unsafe class SingleProducts
{
    private static readonly Sgemm Multiply = (Sgemm)TorchExports.Find("SGEMM");

    /// <summary>Whether this libtorch has it.</summary>
    internal static bool Found => Multiply != null;

    /// <summary><c>C = A Bᵀ</c>; A <c>[m, k]</c>, B <c>[n, k]</c>, C <c>[m, n]</c>, each without gaps.</summary>
    internal static void Transposed(int m, int n, int k, float* a, float* b, float* c) => Transposed(m, n, k, a, k, b, k, c, n, false);

    /// <summary>
    /// As above, or <c>C += A Bᵀ</c> with <paramref name="add"/>, of parts of larger matrices whose rows are so many elements apart.
    /// </summary>
    internal static void Transposed(int m, int n, int k, float* a, int aStride, float* b, int bStride, float* c, int cStride, bool add) =>
        Call(false, true, m, n, k, a, aStride, b, bStride, add, c, cStride);

    /// <summary><c>C = A B</c>; A <c>[m, k]</c>, B <c>[k, n]</c>, C <c>[m, n]</c>, each without gaps.</summary>
    internal static void Plain(int m, int n, int k, float* a, float* b, float* c) => Plain(m, n, k, a, k, b, n, c, n, false);

    /// <summary>
    /// As above, or <c>C += A B</c> with <paramref name="add"/>, of parts of larger matrices whose rows are so many elements apart.
    /// </summary>
    internal static void Plain(int m, int n, int k, float* a, int aStride, float* b, int bStride, float* c, int cStride, bool add) =>
        Call(false, false, m, n, k, a, aStride, b, bStride, add, c, cStride);

    /// <summary>
    /// <c>C = Aᵀ B</c>, or <c>C += Aᵀ B</c> with <paramref name="add"/>; A <c>[k, m]</c>, B <c>[k, n]</c>, C <c>[m, n]</c>.
    /// </summary>
    internal static void Outer(int m, int n, int k, float* a, float* b, float* c, bool add) =>
        Call(true, false, m, n, k, a, m, b, n, add, c, n);

    /// <summary>SGEMM counts by columns: it is handed Cᵀ = op(B)ᵀ op(A)ᵀ.</summary>
    private static void Call(
        bool left,
        bool right,
        int m,
        int n,
        int k,
        float* a,
        int aStride,
        float* b,
        int bStride,
        bool add,
        float* c,
        int cStride)
    {
        var (leftMode, rightMode) = (Mode(left), Mode(right));
        var (alpha, beta) = (1f, add ? 1f : 0f);
        Multiply(&rightMode, &leftMode, &n, &m, &k, &alpha, b, &bStride, a, &aStride, &beta, c, &cStride);
    }

    private static byte Mode(bool transposed) => transposed ? (byte)'T' : (byte)'N';
}
