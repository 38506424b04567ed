namespace Peft.Orleans.Data.Datasets;

/// <summary>
/// Rows of several sources, mixed by weight. An epoch ends when the source that lasts longest has been read once; the others have begun
/// again by then, and go on in the next epoch where they are, so that the shares hold over the whole run.
/// </summary>
internal sealed class MixedOrder : RowOrder
{
    private readonly WeightedTurns turns;
    private readonly (int First, SampleOrder Order)[] sources;

    /// <summary>Mixes sources.</summary>
    /// <param name="seed">Seed of the shuffles.</param>
    /// <param name="sources">Rows and weight of each; rows are numbered through.</param>
    /// <param name="shuffle">Whether each source is shuffled.</param>
    public MixedOrder(long seed, IReadOnlyList<(int Rows, double Weight)> sources, bool shuffle)
    {
        turns = new WeightedTurns(seed, [.. sources.Select(static source => source.Weight)]);
        this.sources = new (int, SampleOrder)[sources.Count];
        var first = 0;
        foreach (var (i, (rows, _)) in sources.Index())
        {
            this.sources[i] = (first, new SampleOrder(seed, rows, shuffle, i + 1));
            first += rows;
        }

        PerEpoch = (int)Math.Min(int.MaxValue, turns.Until([.. sources.Select(static source => source.Rows)]));
    }

    /// <inheritdoc/>
    public override int PerEpoch { get; }

    /// <inheritdoc/>
    public override int At(int epoch, int place)
    {
        var (source, turn) = turns.At((long)epoch * PerEpoch + place);
        var (first, order) = sources[source];
        return first + order.At((int)(turn / order.PerEpoch), (int)(turn % order.PerEpoch));
    }
}
