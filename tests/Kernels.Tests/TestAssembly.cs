using System.Runtime.CompilerServices;
using Peft.Orleans.Kernels.Torch;

// libtorch's own threads share the processor, and Tensor.TotalCount is one number for the process.

namespace Peft.Orleans.Kernels.Tests;

internal static class TestAssembly
{
    /// <summary>libtorch is opened once, before any test touches a tensor.</summary>
    [ModuleInitializer]
    internal static void Open() => TorchRuntime.Initialize(threads: 1);
}
