using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Grains.DataPlane;

/// <summary>Native memory behind tensors: what the data plane sends from and receives into, without a copy.</summary>
internal static unsafe class NativeTensor
{
    /// <summary>Address of the first element.</summary>
    internal static nint DataPointer(Tensor tensor)
    {
        // The span over the tensor's bytes starts at its data; it does not move, being native memory.
        var bytes = tensor.bytes;
        fixed (byte* pointer = bytes) return (nint)pointer;
    }

    /// <summary>A tensor to receive into. Its memory comes from a pool and returns to it.</summary>
    internal static Tensor Allocate(long[] shape, ScalarType type) => NativeBuffers.Rent(shape, type);
}
