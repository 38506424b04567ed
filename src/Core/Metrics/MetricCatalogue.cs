using System.Reflection;

namespace Peft.Orleans.Core.Metrics;

/// <summary>Every metric that silos export of their own, by area; docs/metrics.md is written from it.</summary>
public static class MetricCatalogue
{
    /// <summary>The meter that they belong to, and the source of traces.</summary>
    public const string Meter = "Peft.Orleans";

    /// <summary>The areas in the order of the page.</summary>
    public static IReadOnlyList<(string Area, IReadOnlyList<Metric> Metrics)> Areas { get; } =
    [
        ("Training", Of(typeof(TrainingMetrics))),
        ("Progress", Of(typeof(ProgressMetrics))),
        ("Elasticity", Of(typeof(ElasticMetrics))),
        ("Data plane", Of(typeof(DataPlaneMetrics))),
        ("Storage", Of(typeof(StorageMetrics))),
        ("Device", Of(typeof(DeviceMetrics))),
    ];

    /// <summary>All of them.</summary>
    public static IReadOnlyList<Metric> All { get; } = [.. Areas.SelectMany(static area => area.Metrics)];

    private static IReadOnlyList<Metric> Of(Type area) =>
        [.. area.GetProperties(BindingFlags.Public | BindingFlags.Static).Select(static metric => (Metric)metric.GetValue(null)!)];
}
