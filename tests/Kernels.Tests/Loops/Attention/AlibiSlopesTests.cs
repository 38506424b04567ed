using Peft.Orleans.Kernels.Loops.Attention;

namespace Peft.Orleans.Kernels.Tests.Loops.Attention;

/// <summary>Slopes of ALiBi as the paper's code and BLOOM have them.</summary>
public sealed class AlibiSlopesTests
{
    [Fact]
    public void Powers_of_two_have_a_geometric_series_and_other_numbers_every_second_slope_of_the_next()
    {
        Assert.Equal([1f / 256], AlibiSlopes.Of(1).Values);
        Assert.Equal([0.5f, 0.25f, 0.125f, 1f / 16, 1f / 32, 1f / 64, 1f / 128, 1f / 256], AlibiSlopes.Of(8).Values);
        Assert.Equal([0.25f, 1f / 16, 1f / 64, 1f / 256, 0.5f, 0.125f], AlibiSlopes.Of(6).Values);
        var many = AlibiSlopes.Of(112).Values;
        Assert.Equal(112, many.Distinct().Count());
        Assert.Equal(Math.Pow(2, -8.0 / 64), many[0], 1e-7);
        Assert.Equal(Math.Pow(2, -8.0 / 128), many[64], 1e-7);
    }
}
