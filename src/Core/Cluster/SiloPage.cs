namespace Peft.Orleans.Core.Cluster;

/// <summary>Where a silo shows its cluster to a browser.</summary>
public static class SiloPage
{
    /// <summary>The address of the page, beside that of the silo's metrics; null where that is not known.</summary>
    public static string? Of(string metricsUrl) =>
        Uri.TryCreate(metricsUrl, UriKind.Absolute, out var metrics) ? new Uri(metrics, ".").AbsoluteUri : null;
}
