using Peft.Orleans.Core.Metrics;

namespace Peft.Orleans.Tests;

/// <summary>How many series there can be at most: what the page states, and a test counts.</summary>
internal static class SeriesCount
{
    /// <summary>Series of a run at the silo that coordinates it.</summary>
    /// <param name="layers">Layer shards: blocks, embedding and head.</param>
    /// <param name="silos">Silos that compute.</param>
    internal static int OfRun(int layers, int silos) => Sum(MetricOwner.Run, label => label switch
    {
        null => 1,
        { Values.Count: > 0 } => label.Values.Count,
        _ when label == MetricLabel.Layer => layers,
        _ when label == MetricLabel.Silo => silos,
        _ => label.Most,
    });

    /// <summary>Series of a silo, beside those of the runs that it coordinates.</summary>
    /// <param name="silos">Silos that the cluster has or had.</param>
    /// <param name="runs">Runs that train on it.</param>
    internal static int OfSilo(int silos, int runs) => Sum(MetricOwner.Silo, label => label switch
    {
        null => 1,
        { Values.Count: > 0 } => label.Values.Count,
        _ when label == MetricLabel.Run => runs,
        _ => silos,
    });

    private static int Sum(MetricOwner owner, Func<MetricLabel?, int> values) =>
        MetricCatalogue.All.Where(metric => metric.Owner == owner).Sum(metric => values(metric.Label) * Each(metric));

    /// <summary>
    /// A counter has the time when it began too (<c>_created</c>), a histogram besides its buckets, the one without a bound, sum and count.
    /// </summary>
    private static int Each(Metric metric) => metric.Kind switch
    {
        MetricKind.Histogram => metric.Buckets.Count + 4,
        MetricKind.Counter => 2,
        _ => 1,
    };
}
