using System.Diagnostics;
using Peft.Orleans.Core.Metrics;

namespace Peft.Orleans.Grains.Figures;

/// <summary>Where spans come from. Without a listener none is made, and asking costs nothing.</summary>
internal static class Traces
{
    internal static readonly ActivitySource Source = new(MetricCatalogue.Meter);

    internal const string Run = "run", Term = "term", Step = "step";

    /// <summary>A span; it ends when it is disposed.</summary>
    internal static Activity? Begin(string name, params ReadOnlySpan<(string Key, object? Value)> tags)
    {
        var activity = Source.StartActivity(name);
        foreach (var (key, value) in tags) activity?.SetTag($"peft.{key}", value);
        return activity;
    }

    /// <summary>A span that failed.</summary>
    internal static void Fail(this Activity? activity, Exception error) => activity?.SetStatus(ActivityStatusCode.Error, error.Message);
}
