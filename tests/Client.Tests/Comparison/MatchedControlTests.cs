using Peft.Orleans.Client.Comparison;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Models;
using Peft.Orleans.Tests;
using Xunit;

namespace Peft.Orleans.Client.Tests.Comparison;

/// <summary>The rank of the parameter-matched control.</summary>
public sealed class MatchedControlTests
{
    private static readonly ModelDimensions Model =
        LlamaShaped.Of(hidden: 64, wide: 128, blocks: 3, heads: 4, keyValueHeads: 2, vocabulary: 100, tied: false);

    /// <summary>One module of 64 × 64: a rank costs 128 parameters in each of 3 blocks.</summary>
    [Theory]
    [InlineData(MethodName.LoraGa, 8, 8)]
    [InlineData(MethodName.LoraGa, 1, 1)]
    // BOFT on the input side: 3 factors of 8 blocks with 28 angles, and 64 scales: 736 = 5.75 × 128.
    [InlineData(MethodName.Boft, 16, 6)]
    // Hybrid: 16 × 128 and 672 angles on the output side: 21.25 × 128.
    [InlineData(MethodName.Hybrid, 16, 21)]
    // Structured: 7 · 64 / 2 = 224 = 1.75 × 128.
    [InlineData(MethodName.Urnn, 16, 2)]
    public void The_nearest_rank_is_taken(MethodName name, int rank, int matched)
    {
        var method = new MethodSpec { Name = name, TargetModules = ["q_proj"], Lora = new LoraSpec { Rank = rank } };
        Assert.Equal(matched, MatchedControl.Rank(method, Model));
        var lora = new MethodSpec { Name = MethodName.Lora, TargetModules = ["q_proj"], Lora = new LoraSpec { Rank = matched } };
        Assert.InRange(Math.Abs(Model.Trainable(lora) - Model.Trainable(method)), 0, 3 * 128 / 2);
    }

    [Fact]
    public void Of_two_equally_near_ranks_the_smaller_is_taken_and_none_is_below_one()
    {
        // Dense with blocks of 1: n · b = 64 parameters, half of a rank's 128.
        var half = new MethodSpec
        {
            Name = MethodName.Urnn,
            TargetModules = ["q_proj"],
            Urnn = new UrnnSpec { Kind = UrnnKind.Dense, BlockSize = 1 },
        };
        Assert.Equal(1, MatchedControl.Rank(half, Model));
        // 192 = 1.5 × 128.
        var between = half with { Urnn = new UrnnSpec { Kind = UrnnKind.Dense, BlockSize = 3 } };
        Assert.Equal(1, MatchedControl.Rank(between, Model));
    }

    [Fact]
    public void Full_and_lora_have_none()
    {
        Assert.Null(MatchedControl.Rank(new MethodSpec { Name = MethodName.Full }, Model));
        Assert.Null(MatchedControl.Rank(new MethodSpec { Name = MethodName.Lora }, Model));
    }

    [Fact]
    public void Full_counts_every_weight()
    {
        // Attention 64·64 + 2·32·64 + 64·64, feed-forward 3·64·128, two norms of 64; embedding and head of 100·64, last norm.
        var block = (64 * 64) + (2 * 32 * 64) + (64 * 64) + (3 * 64 * 128) + (2 * 64);
        Assert.Equal((3 * block) + (2 * 6400) + 64, Model.Trainable(new MethodSpec { Name = MethodName.Full }));
    }
}
