using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Loops;

/// <summary>
/// Eight neighbouring elements of a type as fp32, and back: AVX2's width, so that machines with wider units give the same bits.
/// </summary>
internal unsafe interface ILanes
{
    internal const int Count = 8;

    /// <summary>Bytes of an element.</summary>
    static abstract int Size { get; }

    /// <summary>Elements [i, i + 8) of a row.</summary>
    static abstract Vector256<float> Load(byte* row, int i);

    static abstract void Store(byte* row, int i, Vector256<float> value);

    /// <summary>
    /// Elements [i, i + 16) of a row: for loops whose elements do not depend on each other, so that the width changes no bit.
    /// </summary>
    static abstract Vector512<float> LoadWide(byte* row, int i);

    static abstract void StoreWide(byte* row, int i, Vector512<float> value);
}

internal readonly unsafe struct Float32Lanes : ILanes
{
    public static int Size => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(byte* row, int i) => Vector256.Load((float*)row + i);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(byte* row, int i, Vector256<float> value) => value.Store((float*)row + i);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadWide(byte* row, int i) => Vector512.Load((float*)row + i);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreWide(byte* row, int i, Vector512<float> value) => value.Store((float*)row + i);
}

/// <summary>bf16: the upper half of an fp32, rounded to the nearest, ties to even.</summary>
internal readonly unsafe struct BFloat16Lanes : ILanes
{
    public static int Size => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(byte* row, int i)
    {
        var at = (ushort*)row + i;
        if (Avx2.IsSupported) return Vector256.ShiftLeft(Avx2.ConvertToVector256Int32(at), 16).AsSingle();
        var (lower, upper) = Vector128.Widen(Vector128.Load(at));
        return Vector256.ShiftLeft(Vector256.Create(lower, upper), 16).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(byte* row, int i, Vector256<float> value)
    {
        var bits = value.AsUInt32();
        var odd = Vector256.ShiftRightLogical(bits, 16) & Vector256.Create(1u);
        var rounded = Vector256.ShiftRightLogical(bits + Vector256.Create(0x7fffu) + odd, 16);
        // What is not a number would carry into the sign.
        var half = Vector256.ConditionalSelect(Vector256.Equals(value, value).AsUInt32(), rounded, Vector256.Create(0x7fc0u));
        var narrow = Avx512F.VL.IsSupported
            ? Avx512F.VL.ConvertToVector128UInt16(half)
            : Vector128.Narrow(half.GetLower(), half.GetUpper());
        narrow.Store((ushort*)row + i);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadWide(byte* row, int i)
    {
        var half = Vector256.Load((ushort*)row + i);
        if (Avx512F.IsSupported) return Vector512.ShiftLeft(Avx512F.ConvertToVector512Int32(half), 16).AsSingle();
        var (lower, upper) = Vector256.Widen(half);
        return Vector512.ShiftLeft(Vector512.Create(lower, upper), 16).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreWide(byte* row, int i, Vector512<float> value)
    {
        var bits = value.AsUInt32();
        var odd = Vector512.ShiftRightLogical(bits, 16) & Vector512.Create(1u);
        var rounded = Vector512.ShiftRightLogical(bits + Vector512.Create(0x7fffu) + odd, 16);
        var half = Vector512.ConditionalSelect(Vector512.Equals(value, value).AsUInt32(), rounded, Vector512.Create(0x7fc0u));
        var narrow = Avx512F.IsSupported ? Avx512F.ConvertToVector256UInt16(half) : Vector256.Narrow(half.GetLower(), half.GetUpper());
        narrow.Store((ushort*)row + i);
    }
}

/// <summary>What is done with vectors of eight, or of sixteen where the processor has them.</summary>
internal static unsafe class Lanes
{
    internal const int WideCount = 2 * ILanes.Count;

    /// <summary>Whether there are loops for a tensor: fp32 or bf16 in this machine's memory, in rows of whole vectors.</summary>
    internal static bool Fit(Tensor value, long width) =>
        width % ILanes.Count == 0 && value.dtype is ScalarType.Float32 or ScalarType.BFloat16 && value.device_type == DeviceType.CPU;

    /// <summary>How many of a row's first n elements go in wide vectors: none where the processor has no fast ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int Wide(int n) => Vector512.IsHardwareAccelerated ? n - (n % WideCount) : 0;

    /// <summary>Elements [i, n) of a row, fewer than a vector; zero past its end.</summary>
    internal static Vector256<float> LoadEnd<T>(byte* row, int i, int n) where T : struct, ILanes
    {
        var buffer = stackalloc byte[ILanes.Count * sizeof(float)];
        new Span<byte>(buffer, ILanes.Count * sizeof(float)).Clear();
        new ReadOnlySpan<byte>(row + ((nint)i * T.Size), (n - i) * T.Size).CopyTo(new Span<byte>(buffer, ILanes.Count * sizeof(float)));
        return T.Load(buffer, 0);
    }

    /// <summary>Writes elements [i, n) of a row, fewer than a vector.</summary>
    internal static void StoreEnd<T>(byte* row, int i, int n, Vector256<float> value) where T : struct, ILanes
    {
        var buffer = stackalloc byte[ILanes.Count * sizeof(float)];
        T.Store(buffer, 0, value);
        new ReadOnlySpan<byte>(buffer, (n - i) * T.Size).CopyTo(new Span<byte>(row + ((nint)i * T.Size), (n - i) * T.Size));
    }

    /// <summary>The sum of the lanes, always in this order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static float Sum(Vector256<float> value)
    {
        var half = value.GetLower() + value.GetUpper();
        return half[0] + half[2] + (half[1] + half[3]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static float Max(Vector256<float> value)
    {
        var half = Vector128.Max(value.GetLower(), value.GetUpper());
        return MathF.Max(MathF.Max(half[0], half[1]), MathF.Max(half[2], half[3]));
    }

    /// <summary>Lanes below <paramref name="count"/>: all bits set, else none.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<float> Below(int count) =>
        Vector256.LessThan(Vector256.Create(0, 1, 2, 3, 4, 5, 6, 7), Vector256.Create(count)).AsSingle();

    /// <summary>eˣ to about one unit in the last place, between 2⁻¹²⁶ and 2¹²⁷; what is not a number stays so.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<float> Exp(Vector256<float> x)
    {
        // The second operand is returned where one is not a number.
        x = Vector256.MinNative(Vector256.Create(88.0f), Vector256.MaxNative(Vector256.Create(-87.0f), x));
        var shifted = Vector256.FusedMultiplyAdd(x, Vector256.Create(1.44269504f), Vector256.Create(12582912f));
        var n = shifted - Vector256.Create(12582912f);
        var r = Vector256.FusedMultiplyAdd(n, Vector256.Create(-0.693359375f), x);
        r = Vector256.FusedMultiplyAdd(n, Vector256.Create(2.12194440e-4f), r);
        var p = Vector256.Create(1.9875691500e-4f);
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1.3981999507e-3f));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(8.3334519073e-3f));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(4.1665795894e-2f));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1.6666665459e-1f));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(5.0000001201e-1f));
        p = Vector256.FusedMultiplyAdd(p, r * r, r) + Vector256<float>.One;
        return (p.AsInt32() + Vector256.ShiftLeft(shifted.AsInt32(), 23)).AsSingle();
    }

    /// <inheritdoc cref="Exp(Vector256{float})"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> Exp(Vector512<float> x)
    {
        x = Vector512.MinNative(Vector512.Create(88.0f), Vector512.MaxNative(Vector512.Create(-87.0f), x));
        var shifted = Vector512.FusedMultiplyAdd(x, Vector512.Create(1.44269504f), Vector512.Create(12582912f));
        var n = shifted - Vector512.Create(12582912f);
        var r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-0.693359375f), x);
        r = Vector512.FusedMultiplyAdd(n, Vector512.Create(2.12194440e-4f), r);
        var p = Vector512.Create(1.9875691500e-4f);
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1.3981999507e-3f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(8.3334519073e-3f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(4.1665795894e-2f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1.6666665459e-1f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(5.0000001201e-1f));
        p = Vector512.FusedMultiplyAdd(p, r * r, r) + Vector512<float>.One;
        return (p.AsInt32() + Vector512.ShiftLeft(shifted.AsInt32(), 23)).AsSingle();
    }

    /// <summary>1 / (1 + e⁻ˣ).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<float> Sigmoid(Vector256<float> x) => Vector256<float>.One / (Vector256<float>.One + Exp(-x));

    /// <inheritdoc cref="Sigmoid(Vector256{float})"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> Sigmoid(Vector512<float> x) => Vector512<float>.One / (Vector512<float>.One + Exp(-x));
}
