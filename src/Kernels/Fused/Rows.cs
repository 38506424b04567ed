using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Fused;

/// <summary>What fused loops need of tensors.</summary>
internal static unsafe class Rows
{
    /// <summary>Whether there are fused loops for a tensor: fp32 or bf16 in this machine's memory, in rows of whole vectors.</summary>
    internal static bool Fit(Tensor value, long width) =>
        width % ILanes.Count == 0 && value.dtype is ScalarType.Float32 or ScalarType.BFloat16 && value.device_type == DeviceType.CPU;

    /// <summary>The first element of a contiguous tensor, which the caller keeps alive.</summary>
    internal static byte* Of(Tensor value)
    {
        if (!value.is_contiguous()) throw new ArgumentException($"a fused loop was given a tensor of shape [{string.Join(", ", value.shape)}] whose rows do not follow each other");
        if (aoti_torch_get_data_ptr(value.Handle, out var pointer) != 0) throw new ExternalException("libtorch refused get_data_ptr; its message is on stderr");
        return (byte*)pointer;
    }

    [DllImport("libtorch_cpu.so")]
    private static extern int aoti_torch_get_data_ptr(nint tensor, out nint pointer);
}
