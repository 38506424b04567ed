using Peft.Orleans.Client.Checks;
using Peft.Orleans.Core.Cluster;
using Xunit;

namespace Peft.Orleans.Client.Tests;

public sealed class BlockKernelFindingTests
{
    [Theory]
    [InlineData(BlockKernelState.Found, BlockKernelState.Found, "ok", "found for bf16 and float32")]
    [InlineData(BlockKernelState.OtherProcessor, BlockKernelState.Found, "ok", "found for float32")] // AMX, or AVX-512 without bf16
    [InlineData(
        BlockKernelState.OtherProcessor,
        BlockKernelState.OtherProcessor,
        "ok",
        "not for this processor: libtorch's own products"
    )]
    [InlineData(
        BlockKernelState.Missing,
        BlockKernelState.Found,
        "note",
        "this libtorch has none for bf16, one for float32: right, but steps take longer"
    )]
    [InlineData(
        BlockKernelState.Missing,
        BlockKernelState.Missing,
        "note",
        "this libtorch has none for bf16 and float32: right, but steps take longer"
    )]
    public void What_is_missing_is_noted_and_what_is_not_for_the_processor_is_well(
        BlockKernelState half, BlockKernelState single, string state, string found)
    {
        var finding = BlockKernelFinding.Of(new SiloCheck("cpu", half, single));
        Assert.Equal((state, found), (finding.State, finding.Found));
        Assert.Equal(state == "note", finding.Remedy.Length > 0);
    }
}
