using System.Security.Cryptography;
using CsCheck;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using static Peft.Orleans.Data.Tests.Datasets.TokenRun;

namespace Peft.Orleans.Data.Tests.Datasets;

/// <summary>Samples become rows: padded, packed, cut.</summary>
public sealed class TrainingRowsTests
{
    [Fact]
    public void RowsArePaddedOnTheRightAndTargetsShifted()
    {
        using var folder = new TemporaryFolder();
        var path = folder.WriteLines("t", """{"input_ids":[5,6,7],"labels":[5,-100,7]}""", "", """{"input_ids":[8],"labels":[8]}""");
        var data = Load(Spec(steps: 1, globalBatch: 2, microbatch: 2, shuffle: false, path: path));
        var batch = data.Get(1, 0);
        Assert.Equal((2, 3), (batch.Rows, batch.Columns));
        Assert.Equal([5, 6, 7, 8, 0, 0], batch.InputIds);
        Assert.Equal([5, -100, 7, 8, -100, -100], batch.Labels);
        Assert.Equal([[3], [1]], batch.SampleLengths);
        Assert.Equal(1, batch.TargetTokens);
        Assert.Equal(1, data.TargetTokens(1));
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path))), data.TrainSha256);
    }

    [Fact]
    public void PackingFillsRowsAndLosesNothing()
    {
        using var folder = new TemporaryFolder();
        Gen.Int[2, 12]
            .Array[1, 40]
            .Sample(
                lengths =>
                {
                    var path = folder.WriteLines("t", lengths.Select(static n => Line([.. Enumerable.Range(0, n)])));
                    var spec = Spec(epochs: 1, globalBatch: 1000, microbatch: 1000, shuffle: false, path: path);
                    var batch = Load(spec with { Data = spec.Data with { Packing = true, MaxLength = 12 } }).Get(1, 0);
                    Assert.Equal(lengths.Order(), batch.SampleLengths.SelectMany(static row => row).Order());
                    Assert.All(batch.SampleLengths, static row => Assert.True(row.Sum() <= 12));
                    // Best fit never leaves two rows that fit into one.
                    var sums = batch.SampleLengths.Select(static row => row.Sum()).Order().Take(2).ToArray();
                    Assert.True(sums.Length < 2 || sums.Sum() > 12);
                    // Ids restart in each sample, and its first token is never a target.
                    Assert.Equal(lengths.Sum(), batch.Tokens);
                    Assert.Equal(lengths.Sum(static n => n - 1), batch.TargetTokens);
                },
                iter: 60,
                threads: 1
            );
    }

    [Theory]
    [InlineData(LongSamplePolicy.Truncate, 2, 0)]
    [InlineData(LongSamplePolicy.Drop, 1, 1)]
    public void LongSamplesAreTruncatedOrDropped(LongSamplePolicy policy, int samples, int dropped)
    {
        using var folder = new TemporaryFolder();
        var path = folder.WriteLines("t", Line(1, 2, 3, 4), Line(5, 6));
        var spec = Spec(epochs: 1, globalBatch: 2, microbatch: 2, shuffle: false, path: path);
        var data = Load(spec with { Data = spec.Data with { MaxLength = 3, OnLong = policy } });
        Assert.Equal((samples, dropped), (data.Samples, data.Dropped));
        Assert.Equal(policy == LongSamplePolicy.Truncate ? 3 : 2, data.Get(1, 0).Columns);
    }

    [Theory]
    [InlineData(int.MaxValue, 1, 1)]
    [InlineData(1, int.MaxValue, int.MaxValue)]
    public void NumbersAtTheirBoundsDoNotOverflow(int maxLength, int globalBatch, int microbatch)
    {
        using var folder = new TemporaryFolder();
        var path = folder.WriteLines("t", Line(1), Line(1, 2));
        var spec = Spec(null, 1, globalBatch, microbatch, false, path);
        spec = spec with
        {
            Data = spec.Data with { MaxLength = maxLength, OnLong = LongSamplePolicy.Drop, Packing = maxLength > 2, MaskPrompt = false },
        };
        if (maxLength > 2)
            Assert.Equal(1, Load(spec).Get(1, 0).Rows);
        else
            Assert.Contains(
                "no token",
                Assert.Throws<PeftException>(() => Load(spec)).Message,
                StringComparison.Ordinal
            );
    }
}
