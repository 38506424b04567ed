using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Torch;

/// <summary>
/// CPU tensors over pooled native memory, 64-byte aligned: what the data plane receives into, step after step. A buffer returns to the pool
/// when libtorch lets go of the last tensor that uses it.
/// </summary>
public static unsafe class NativeBuffers
{
    private const nuint Alignment = 64;

    /// <summary>Buffers of one size kept for reuse; more than this and the rest is freed.</summary>
    private const int KeptPerSize = 32;

    private static readonly ConcurrentDictionary<nint, long> Sizes = new();
    private static readonly ConcurrentDictionary<long, ConcurrentBag<nint>> Free = new();
    private static readonly Deleter Return = ReturnToPool;

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate void Deleter(nint pointer);

    /// <summary>Buffers that are in use or waiting in the pool.</summary>
    public static int Count => Sizes.Count;

    /// <summary>A contiguous tensor of undefined contents.</summary>
    public static Tensor Rent(long[] shape, ScalarType type)
    {
        var bytes = shape.Aggregate(1L, static (a, b) => a * b) * type.ElementSize();
        if (bytes == 0) return empty(shape, type);
        // Sizes are rounded up to a power of two, so that a few sizes serve all.
        var size = (long)System.Numerics.BitOperations.RoundUpToPowerOf2((ulong)Math.Max(bytes, 4096));
        var pointer = Free.TryGetValue(size, out var bag) && bag.TryTake(out var pooled)
            ? pooled
            : (nint)NativeMemory.AlignedAlloc((nuint)size, Alignment);
        Sizes[pointer] = size;
        fixed (long* dimensions = shape)
        {
            var handle = NewTensor(
                pointer,
                Return,
                (nint)dimensions,
                shape.Length,
                (sbyte)type,
                (sbyte)type,
                (int)DeviceType.CPU,
                -1,
                false);
            if (handle != IntPtr.Zero) return Tensor.UnsafeCreateTensor(handle);
        }

        ReturnToPool(pointer);
        throw new InvalidOperationException($"libtorch made no tensor of shape [{string.Join(", ", shape)}]");
    }

    private static void ReturnToPool(nint pointer)
    {
        if (!Sizes.TryGetValue(pointer, out var size)) return;
        var bag = Free.GetOrAdd(size, static _ => []);
        if (bag.Count < KeptPerSize)
        {
            bag.Add(pointer);
            return;
        }

        Sizes.TryRemove(pointer, out _);
        NativeMemory.AlignedFree((void*)pointer);
    }

    [DllImport("LibTorchSharp", EntryPoint = "THSTensor_new")]
    private static extern IntPtr NewTensor(
        nint data,
        Deleter deleter,
        nint dimensions,
        int count,
        sbyte type,
        sbyte targetType,
        int deviceType,
        int deviceIndex,
        [MarshalAs(UnmanagedType.U1)] bool requiresGradient);
}
