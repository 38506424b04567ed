using CsCheck;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Datasets;

namespace Peft.Orleans.Data.Tests.Datasets;

/// <summary>Sources with weights.</summary>
public sealed class MixingTests
{
    private static readonly Gen<double[]> Weights =
        Gen.OneOf(Gen.Double[0.001, 100], Gen.Int[1, 5].Select(static n => (double)n)).Array[1, 7];

    [Fact]
    public void EveryPrefixHasTheWeightsSharesToWithinOneSample() =>
        Gen.Select(Weights, Gen.Long).Sample(
            (weights, seed) =>
            {
                var turns = new WeightedTurns(seed, weights);
                var counts = new long[weights.Length];
                var total = weights.Sum();
                for (var n = 0; n < 3000; n++)
                {
                    var (source, turn) = turns.At(n);
                    Assert.Equal(counts[source]++, turn);
                    for (var i = 0; i < weights.Length; i++) Assert.True(Math.Abs(counts[i] - (weights[i] / total * (n + 1))) < 1 + 1e-9);
                }
            },
            iter: 100);

    [Fact]
    public void APlaceIsAPureFunctionOfSeedAndPlace() =>
        Gen.Select(Weights, Gen.Long, Gen.Int[0, 20_000].Array[1, 20]).Sample(
            (weights, seed, places) =>
            {
                var (one, two) = (new WeightedTurns(seed, weights), new WeightedTurns(seed, weights));
                var expected = Enumerable.Range(0, places.Max() + 1).Select(i => one.At(i)).ToArray();
                foreach (var place in places) Assert.Equal(expected[place], two.At(place));
            },
            iter: 30);

    [Fact]
    public void TheSeedDecidesBetweenEqualWeights() =>
        Assert.Equal(3, Enumerable.Range(0, 50).Select(static seed => new WeightedTurns(seed, [1, 1, 1]).At(0).Source).Distinct().Count());

    /// <summary>Fixed by this implementation on purpose: a run resumed by a later version must see the same data.</summary>
    [Fact]
    public void TheOrderOfASeedNeverChanges() =>
        Assert.Equal(
            Expected,
            string.Concat(Enumerable.Range(0, 24).Select(static i => new WeightedTurns(17, [5, 2, 1]).At(i).Source)));

    private const string Expected = "001020100010201000102010";

    [Theory]
    [InlineData(3, 1, 30, 10, 40)]
    [InlineData(1, 1, 30, 10, 60)]
    [InlineData(1, 3, 30, 10, 120)]
    [InlineData(0.7, 0.3, 10, 10, 33)]
    public void AnEpochEndsWhenTheLastSourceHasBeenReadOnce(double first, double second, int a, int b, int expected)
    {
        using var folder = new TemporaryFolder();
        var data = Load(folder, (first, a), (second, b));
        Assert.InRange(data.Samples, expected - 2, expected);
        Assert.Equal(data.Samples, data.Steps);
        var seen = SourcesTests.Firsts(data, data.Samples);
        Assert.Equal(a, seen.Where(static id => id < 50).Distinct().Count());
        Assert.Equal(b, seen.Where(static id => id >= 50).Distinct().Count());
        // One sample earlier the longest had not ended.
        var before = seen[..^1];
        Assert.True(before.Distinct().Count() < a + b);
        // No sample comes again before its source has ended.
        Assert.Distinct(seen.Where(static id => id < 50).Take(a));
        Assert.Distinct(seen.Where(static id => id >= 50).Take(b));
    }

    [Fact]
    public void AHugeShareIsNoEndlessEpoch()
    {
        Assert.Equal(1L << 26, new WeightedTurns(1, [1, 1]).Until([1 << 25, 3]));
        Assert.InRange(new WeightedTurns(1, [1, 1e-9]).Until([1, 1000]), 1_000_000_000_000, 1_000_000_002_000);
    }

    private static TrainingData Load(TemporaryFolder folder, params (double Weight, int Count)[] sources) =>
        TrainingData.Load(
            new RunSpec
            {
                Data = new DataSpec
                {
                    Train = new DataSources([.. sources.Select((source, i) => new DataSource
                    {
                        Path = folder.WriteLines($"{i}.jsonl", Enumerable.Range(50 * i, source.Count).Select(SourcesTests.Line)),
                        Format = DataFormat.Tokens,
                        Weight = source.Weight,
                    })]),
                },
                Training = new TrainingSpec { Epochs = 1, GlobalBatch = 1, Microbatch = 1 },
            },
            null,
            null,
            100);
}
