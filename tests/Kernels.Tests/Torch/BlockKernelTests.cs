using System.Runtime.Intrinsics.X86;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Kernels.Torch;

namespace Peft.Orleans.Kernels.Tests.Torch;

public sealed class BlockKernelTests
{
    /// <summary>Another libtorch may name or arrange them otherwise; then everything still works, slowly, and this says so.</summary>
    [Fact]
    public void This_libtorch_has_the_kernels_for_what_the_processor_multiplies()
    {
        Assert.Equal(Avx512BW.IsSupported, BlockKernel.HasSingle);
        Assert.Equal(Avx512BW.IsSupported && Processor.HasAvx512BFloat16 && !Processor.HasAmxBFloat16, BlockKernel.HasHalf);
        Assert.Equal(
            new SiloCheck("cpu", StateOf(BlockKernel.HasHalf), StateOf(BlockKernel.HasSingle)),
            TorchRuntime.Check() with { Device = "cpu" });

        static BlockKernelState StateOf(bool found) => found ? BlockKernelState.Found : BlockKernelState.OtherProcessor;
    }
}
