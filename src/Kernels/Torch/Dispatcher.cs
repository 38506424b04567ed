using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Torch;

/// <summary>
/// Operators that TorchSharp lacks, called by name through libtorch's stable C interface. An error inside comes back as a code and becomes
/// an exception; its text goes to stderr. The interface consumes its inputs, so each tensor is passed as a fresh handle.
/// </summary>
internal static unsafe class Dispatcher
{
    private const string Library = "libtorch_cpu.so";

    private static readonly ulong AbiVersion = aoti_torch_abi_version();

    /// <summary>
    /// AdamW with decoupled weight decay and bias correction, in place on flat fp32 tensors, one pass over memory
    /// (<c>aten::_fused_adamw_</c>). <paramref name="step"/> counts from 1.
    /// </summary>
    internal static void FusedAdamW(
        Tensor parameters, Tensor gradient, Tensor firstMoment, Tensor secondMoment, int step,
        double learningRate, double beta1, double beta2, double weightDecay, double epsilon)
    {
        var count = parameters.numel();
        if (gradient.numel() != count || firstMoment.numel() != count || secondMoment.numel() != count)
            throw new ArgumentException(
                $"AdamW: parameters, gradient and moments differ in size: {count}, {gradient.numel()}, "
                + $"{firstMoment.numel()}, {secondMoment.numel()}");
        using var steps = tensor((float)step, device: parameters.device);
        var stack = stackalloc ulong[15];
        stack[0] = List(parameters);
        stack[1] = List(gradient);
        stack[2] = List(firstMoment);
        stack[3] = List(secondMoment);
        stack[4] = List();
        stack[5] = List(steps);
        stack[6] = BitConverter.DoubleToUInt64Bits(learningRate);
        stack[7] = BitConverter.DoubleToUInt64Bits(beta1);
        stack[8] = BitConverter.DoubleToUInt64Bits(beta2);
        stack[9] = BitConverter.DoubleToUInt64Bits(weightDecay);
        stack[10] = BitConverter.DoubleToUInt64Bits(epsilon);
        stack[11] = 0; // amsgrad
        stack[12] = 0; // maximize
        stack[13] = 0; // grad_scale
        stack[14] = 0; // found_inf
        Call("aten::_fused_adamw_", "", stack);
    }

    /// <summary>dL/dx of silu at <paramref name="x"/> (<c>aten::silu_backward</c>).</summary>
    internal static Tensor SiluBackward(Tensor dy, Tensor x) => Binary("aten::silu_backward", dy, x);

    /// <summary>
    /// Matrix product with libtorch's broadcasting (<c>aten::matmul</c>), guarded; TorchSharp's own ends the process on an error.
    /// </summary>
    internal static Tensor MatMul(Tensor a, Tensor b) => Binary("aten::matmul", a, b);

    private static Tensor Binary(string name, Tensor a, Tensor b)
    {
        var stack = stackalloc ulong[2];
        stack[0] = Handle(a);
        stack[1] = Handle(b);
        Call(name, "", stack);
        return Tensor.UnsafeCreateTensor((nint)stack[0]);
    }

    private static void Call(string name, string overload, ulong* stack)
    {
        if (torch_call_dispatcher(name, overload, stack, AbiVersion) != 0)
            throw new ExternalException($"libtorch refused {name}; its message is on stderr");
    }

    private static ulong Handle(Tensor value)
    {
        Check(aoti_torch_new_tensor_handle(value.Handle, out var handle), "new_tensor_handle");
        return (ulong)handle;
    }

    private static ulong List(params ReadOnlySpan<Tensor> values)
    {
        Check(torch_new_list_reserve_size((nuint)values.Length, out var list), "new_list");
        foreach (var value in values) Check(torch_list_push_back(list, Handle(value)), "list_push_back");
        return (ulong)list;
    }

    private static void Check(int code, string what)
    {
        if (code != 0) throw new ExternalException($"libtorch refused {what}; its message is on stderr");
    }

    [DllImport(Library)]
    private static extern ulong aoti_torch_abi_version();

    [DllImport(Library)]
    private static extern int aoti_torch_new_tensor_handle(nint original, out nint handle);

    [DllImport(Library)]
    private static extern int torch_new_list_reserve_size(nuint size, out nint list);

    [DllImport(Library)]
    private static extern int torch_list_push_back(nint list, ulong element);

    [DllImport(Library, CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    private static extern int torch_call_dispatcher(string name, string overload, ulong* stack, ulong version);
}
