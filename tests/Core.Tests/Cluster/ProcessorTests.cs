using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Xunit;

namespace Peft.Orleans.Core.Tests.Cluster;

public sealed class ProcessorTests
{
    [Theory]
    [InlineData(true, true, true, 143, false)] // Sapphire Rapids
    [InlineData(false, true, true, 143, true)] // the same with AMX hidden
    [InlineData(false, true, true, 207, true)] // Emerald Rapids with AMX hidden
    [InlineData(false, true, true, 85, false)] // Cooper Lake
    [InlineData(false, true, false, 17, false)] // AMD's Zen 4
    [InlineData(false, false, true, 85, false)] // no bf16 at all: float32 is what auto takes
    public void Float32_is_the_faster_choice_where_AVX512_stands_in_for_AMX(bool amx, bool avx512, bool intel, int model, bool faster) =>
        Assert.Equal(faster, Processor.IsFasterInFloat32(amx, avx512, intel, model));

    [Fact]
    public void Auto_is_native_only_for_what_the_processor_multiplies()
    {
        var native = Processor.HasAvx512BFloat16 || Processor.HasAmxBFloat16;
        Assert.Equal(ProductType.Native, Processor.Products(WeightType.Float32));
        Assert.Equal(native ? ProductType.Native : ProductType.Float32, Processor.Products(WeightType.BFloat16));
        Assert.Equal(ProductType.Float32, Processor.Products(WeightType.Float16));
        Assert.StartsWith(native ? "native" : "float32", Processor.BFloat16Path, StringComparison.Ordinal);
        Assert.True(native || !Processor.MultipliesFloat32Faster);
    }
}
