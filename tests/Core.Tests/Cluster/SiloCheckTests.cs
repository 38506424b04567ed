using Peft.Orleans.Core.Cluster;
using Xunit;

namespace Peft.Orleans.Core.Tests.Cluster;

public sealed class SiloCheckTests
{
    [Fact]
    public void The_line_is_read_as_it_was_written()
    {
        var check = new SiloCheck("cuda:0", BlockKernelState.OtherProcessor, BlockKernelState.Missing);
        Assert.Equal("""{"device":"cuda:0","bFloat16BlockKernel":"other_processor","float32BlockKernel":"missing"}""", check.Write());
        Assert.Equal(check, SiloCheck.Read(check.Write()));
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("peft-silo: no such option")]
    [InlineData("{}")]
    [InlineData("""{"device":"cpu","bFloat16BlockKernel":"found"}""")]
    [InlineData("""{"device":"cpu","bFloat16BlockKernel":"perhaps","float32BlockKernel":"found"}""")]
    [InlineData("""{"device":null,"bFloat16BlockKernel":"found","float32BlockKernel":"found"}""")]
    public void What_is_no_such_line_is_none(string line) => Assert.Null(SiloCheck.Read(line));
}
