namespace Peft.Orleans.Benchmarks;

/// <summary>Median of the ratios of interleaved pairs, with its 95 % interval from the binomial order statistics.</summary>
internal sealed record PairedRatio(double Median, double Low, double High, int Pairs)
{
    internal static PairedRatio Of(IReadOnlyList<(double Tested, double Reference)> pairs)
    {
        var ratios = pairs.Select(static pair => pair.Tested / pair.Reference).Order().ToArray();
        var n = ratios.Length;
        var half = 1.96 * Math.Sqrt(n) / 2;
        var low = Math.Max(0, (int)Math.Floor((n / 2.0) - half));
        var high = Math.Min(n - 1, (int)Math.Ceiling((n / 2.0) + half));
        return new PairedRatio(MedianOf(ratios), ratios[low], ratios[high], n);
    }

    internal static double MedianOf(IReadOnlyList<double> sorted) =>
        sorted.Count % 2 == 1 ? sorted[sorted.Count / 2] : (sorted[(sorted.Count / 2) - 1] + sorted[sorted.Count / 2]) / 2;

    /// <summary>For a table.</summary>
    internal string Interval => FormattableString.Invariant($"{Median:F3} ({Low:F3} to {High:F3})");

    public override string ToString() => FormattableString.Invariant($"{Median:F3} (95 % interval {Low:F3} to {High:F3}, {Pairs} pairs)");
}
