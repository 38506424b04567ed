namespace Peft.Orleans.Core.Metrics;

/// <summary>How a metric's value moves.</summary>
public enum MetricKind
{
    /// <summary>Goes up and down.</summary>
    Gauge,

    /// <summary>Only grows, from 0, while its process lives.</summary>
    Counter,

    /// <summary>Single durations, counted by size.</summary>
    Histogram,
}

/// <summary>What a metric is of, and what therefore ends its series.</summary>
public enum MetricOwner
{
    /// <summary>A run, told by the silo that coordinates it: ends when the run has ended, or is coordinated elsewhere.</summary>
    Run,

    /// <summary>A silo: ends with its process.</summary>
    Silo,
}

/// <summary>A metric that silos export: all that is said of it anywhere, in code, on <c>/metrics</c> and in docs/metrics.md.</summary>
/// <param name="name">Name of the instrument, in OpenTelemetry's words.</param>
/// <param name="kind">How its value moves.</param>
/// <param name="owner">What it is of.</param>
public sealed class Metric(string name, MetricKind kind, MetricOwner owner)
{
    /// <summary>Name of the instrument, in OpenTelemetry's words.</summary>
    public string Name => name;

    /// <summary>How its value moves.</summary>
    public MetricKind Kind => kind;

    /// <summary>What it is of.</summary>
    public MetricOwner Owner => owner;

    /// <summary>Unit, as UCUM has it (<c>s</c>, <c>By</c>); empty for shares and numbers of things.</summary>
    public string Unit { get; init; } = "";

    /// <summary>What tells its series of one owner apart; null: there is one.</summary>
    public MetricLabel? Label { get; init; }

    /// <summary>What it says.</summary>
    public required string Meaning { get; init; }

    /// <summary>What a bad value means.</summary>
    public required string Bad { get; init; }

    /// <summary>Whether it is there only where it applies: with a method, a setting, a plan of some kind.</summary>
    public bool Optional { get; init; }

    /// <summary>Upper bounds of a histogram's buckets.</summary>
    public IReadOnlyList<double> Buckets { get; init; } = [];

    /// <summary>Its labels: that of its owner, and its own.</summary>
    public IReadOnlyList<string> Labels =>
        [Owner == MetricOwner.Run ? MetricLabel.Run.Name : MetricLabel.Silo.Name, .. Label is { } own ? [own.Name] : (string[])[]];

    /// <summary>Its name in Prometheus; a histogram's series have <c>_bucket</c>, <c>_sum</c> and <c>_count</c> after it.</summary>
    public string Prometheus =>
        Name.Replace('.', '_')
        + Unit switch
        {
            "s" => "_seconds",
            "By" => "_bytes",
            _ => "",
        }
        + (Kind == MetricKind.Counter ? "_total" : "");
}
