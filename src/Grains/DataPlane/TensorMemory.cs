using System.Buffers;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Grains.DataPlane;

/// <summary>The bytes of a contiguous CPU tensor as memory for sockets; valid while the tensor lives.</summary>
internal sealed unsafe class TensorMemory : MemoryManager<byte>
{
    private readonly byte* pointer;
    private readonly int length;

    /// <param name="tensor">A contiguous CPU tensor, kept alive by the caller.</param>
    /// <param name="offset">First byte.</param>
    /// <param name="length">Number of bytes.</param>
    internal TensorMemory(Tensor tensor, long offset, int length)
    {
        pointer = (byte*)NativeTensor.DataPointer(tensor) + offset;
        this.length = length;
    }

    public override Span<byte> GetSpan() => new(pointer, length);

    public override MemoryHandle Pin(int elementIndex = 0) => new(pointer + elementIndex);

    public override void Unpin() { }

    protected override void Dispose(bool disposing) { }
}
