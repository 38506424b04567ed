using Peft.Orleans.Data.Models.Rope;
using Peft.Orleans.Kernels.Models.Attention;
using Peft.Orleans.Kernels.Tests.Goldens;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Models;

/// <summary>Rotary frequencies beside their formulas, and what a base that depends on the length must not do.</summary>
public sealed class RotaryTests
{
    private static readonly RopeScaling Dynamic = new(RopeKind.Dynamic, 2, OriginalMaxPositionEmbeddings: 64);

    [Fact]
    public void Yarn_keeps_fast_dimensions_divides_slow_ones_and_blends_between()
    {
        // Head of 64, base 10000, trained on 256 tokens: dimension i turns 256 · 10000^(−i/32) / 2π times. That is 32 at i = 0.84 and 1 at
        // i = 12.88, so that the ramp goes from 0 to 13, untruncated from 0.84 to 12.88.
        var scaling = new RopeScaling(RopeKind.Yarn, 4, OriginalMaxPositionEmbeddings: 256);
        foreach (var (truncate, low, high) in new[] { (true, 0.0, 13.0), (false, Dimension(32), Dimension(1)) })
        {
            var actual = RotaryFrequencies.Of(64, 10000, scaling with { Truncate = truncate }, 0);
            for (var i = 0; i < 32; i++)
            {
                var (plain, ramp) = (Math.Pow(10000, -i / 32.0), Math.Clamp((i - low) / (high - low), 0, 1));
                Assert.Equal(1, actual[i] / ((plain * (1 - ramp)) + (plain / 4 * ramp)), 1e-6);
            }
        }

        static double Dimension(double turns) => 32 * Math.Log(256 / (turns * 2 * Math.PI)) / Math.Log(10000);
    }

    [Theory]
    [InlineData(64, 10000)]
    [InlineData(65, 10333.7)]
    [InlineData(96, 20945.9)]
    public void Dynamics_base_grows_with_the_sequence_beyond_the_trained_length(int length, double theta)
    {
        // θ · (2 n / 64 − 1)^(32 / 30), to the digits given.
        var actual = RotaryFrequencies.Of(32, 10000, Dynamic, length);
        for (var i = 0; i < 16; i++) Assert.Equal(1, actual[i] / Math.Pow(theta, -i / 16.0), 1e-5);
        Assert.Equal(1, actual[15] / Math.Pow(10000 * Math.Pow((2 * Math.Max(64, length) / 64.0) - 1, 32 / 30.0), -15 / 16.0), 1e-6);
    }

    [Fact]
    public void A_table_of_one_length_is_not_anothers()
    {
        using var scope = NewDisposeScope();
        using var table = new RotaryTable(32, 10000, Dynamic, CPU);
        var (first, cached) = (table.Of(96).Cos.clone(), table.At(0, 64).Cos.clone());
        var other = table.Of(80).Cos.clone();
        Assert.False(first.narrow(0, 0, 80).eq(other).all().item<bool>());
        Assert.True(table.Of(96).Cos.eq(first).all().item<bool>());
        Assert.True(table.Of(64).Cos.eq(cached).all().item<bool>());
        Assert.False(cached.eq(first.narrow(0, 0, 64)).all().item<bool>());
    }

    [Fact]
    public void Long_rows_beside_others_and_packed_samples_are_computed_as_alone()
    {
        var golden = new Golden("llama-rope-dynamic");
        using var scope = NewDisposeScope();
        using var pipeline = new LocalPipeline(Specs.Full(golden.Folder));
        pipeline.Initialize();
        int[][] samples = [Ids(96, 1), Ids(80, 2), Ids(30, 3)];
        var alone = samples.Select(sample => pipeline.Logits(Batches.Of([sample]))).ToArray();

        var padded = Batches.Of(samples);
        var rows = pipeline.Logits(padded);
        for (var i = 0; i < samples.Length; i++) Compare.Within(rows.narrow(0, i * 96, samples[i].Length), alone[i], 2e-5);

        var packed = pipeline.Logits(Batches.Of([[.. samples.SelectMany(static sample => sample)]], lengths: [[96, 80, 30]]));
        Compare.Within(packed, cat(alone, 0), 2e-5);

        // The gradients are those of the samples alone, too.
        var (loss, expected) = pipeline.Gradients([.. samples.Select(static sample => Batches.Of([sample]))]);
        var (paddedLoss, gradients) = pipeline.Gradients([padded]);
        Assert.Equal(loss, paddedLoss, 1e-5);
        for (var layer = 0; layer < expected.Length; layer++)
        {
            Compare.Close($"layer {layer}", gradients[layer], expected[layer], 2e-5);
            gradients[layer].Dispose();
            expected[layer].Dispose();
        }

        static int[] Ids(int count, int seed)
        {
            var random = new Random(seed);
            return [.. Enumerable.Range(0, count).Select(_ => random.Next(131))];
        }
    }
}
