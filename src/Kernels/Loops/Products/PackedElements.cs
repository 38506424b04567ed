using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Orleans.Kernels.Torch;

namespace Peft.Orleans.Kernels.Loops.Products;

/// <summary>What a matrix is held in that rows are multiplied with.</summary>
internal unsafe interface IPackedMatrix
{
    /// <summary>Bytes of an element as it is held.</summary>
    static abstract int HeldSize { get; }

    /// <summary>Arranges a part of a matrix <c>[columns, terms]</c>, whose rows are <paramref name="stride"/> elements apart.</summary>
    static abstract void Transposed(byte* from, nint stride, int terms, int columns, uint* to);

    /// <summary>Arranges a part of a matrix <c>[rows, columns]</c>; zeros behind it, up to <paramref name="terms"/>.</summary>
    static abstract void Plain(byte* from, nint stride, int rows, int columns, uint* to, int terms);
}

/// <summary>What rows are made of, and a matrix that is held in their type.</summary>
internal unsafe interface IPackedElements : IPackedMatrix
{
    /// <summary>Bytes of an element of the rows, of the arranged matrix and of the result.</summary>
    static abstract int Size { get; }

    /// <summary><c>C = A B</c> or <c>C += A B</c>, B arranged.</summary>
    static abstract void Multiply(int m, int n, int k, byte* a, int aStride, uint* b, float* c, bool add);

    /// <summary>Transposes sixteen rows of sixteen elements; <paramref name="room"/> has place for as many words.</summary>
    static abstract void Turn(byte* from, nint stride, byte* to, nint toStride, uint* room);

    /// <summary>Sixteen elements of a row of rows or result.</summary>
    static abstract Vector512<float> Load(byte* row, int i);

    static abstract void Store(byte* row, int i, Vector512<float> value);
}

/// <summary>bf16 rows, a bf16 matrix.</summary>
internal readonly unsafe struct HalfElements : IPackedElements
{
    public static int Size => sizeof(ushort);

    public static int HeldSize => sizeof(ushort);

    public static void Transposed(byte* from, nint stride, int terms, int columns, uint* to) =>
        MatrixPacking.Transposed((uint*)from, stride / 2, terms / 2, columns, to);

    public static void Plain(byte* from, nint stride, int rows, int columns, uint* to, int terms) =>
        MatrixPacking.PlainPairs((ushort*)from, stride, rows, columns, to, terms / 2);

    public static void Multiply(int m, int n, int k, byte* a, int aStride, uint* b, float* c, bool add) =>
        BlockKernel.Half(m, n, k, a, aStride, b, c, add);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Turn(byte* from, nint stride, byte* to, nint toStride, uint* room) =>
        MatrixPacking.SquareHalf((ushort*)from, stride, (ushort*)to, toStride, room);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(byte* row, int i) => BFloat16Lanes.LoadWide(row, i);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(byte* row, int i, Vector512<float> value) => BFloat16Lanes.StoreWide(row, i, value);
}

/// <summary>fp32 rows, an fp32 matrix.</summary>
internal readonly unsafe struct SingleElements : IPackedElements
{
    public static int Size => sizeof(float);

    public static int HeldSize => sizeof(float);

    public static void Transposed(byte* from, nint stride, int terms, int columns, uint* to) =>
        MatrixPacking.Transposed((uint*)from, stride, terms, columns, to);

    public static void Plain(byte* from, nint stride, int rows, int columns, uint* to, int terms) =>
        MatrixPacking.Plain((uint*)from, stride, rows, columns, to, terms);

    public static void Multiply(int m, int n, int k, byte* a, int aStride, uint* b, float* c, bool add) =>
        BlockKernel.Single(m, n, k, a, aStride, b, c, add);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Turn(byte* from, nint stride, byte* to, nint toStride, uint* room) =>
        MatrixPacking.Square((uint*)from, stride, (uint*)to, toStride);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(byte* row, int i) => Float32Lanes.LoadWide(row, i);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(byte* row, int i, Vector512<float> value) => Float32Lanes.StoreWide(row, i, value);
}

/// <summary>A matrix held in bf16 for fp32 rows: the same bits as where it is held in fp32.</summary>
internal readonly unsafe struct WidenedMatrix : IPackedMatrix
{
    public static int HeldSize => sizeof(ushort);

    public static void Transposed(byte* from, nint stride, int terms, int columns, uint* to) =>
        MatrixPacking.TransposedWide((ushort*)from, stride, terms, columns, to);

    public static void Plain(byte* from, nint stride, int rows, int columns, uint* to, int terms) =>
        MatrixPacking.PlainWide((ushort*)from, stride, rows, columns, to, terms);
}
