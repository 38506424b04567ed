using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Torch;

/// <summary>Where the elements of tensors lie, for loops of our own.</summary>
internal static unsafe class TensorMemory
{
    /// <summary>The first element of a contiguous tensor, which the caller keeps alive.</summary>
    internal static byte* Of(Tensor value)
    {
        if (!value.is_contiguous())
        {
            throw new ArgumentException(
                $"a loop was given a tensor of shape [{string.Join(", ", value.shape)}] whose rows do not follow each other");
        }

        if (aoti_torch_get_data_ptr(value.Handle, out var pointer) != 0)
            throw new ExternalException("libtorch refused get_data_ptr; its message is on stderr");
        return (byte*)pointer;
    }

    [DllImport("libtorch_cpu.so")]
    private static extern int aoti_torch_get_data_ptr(nint tensor, out nint pointer);
}
