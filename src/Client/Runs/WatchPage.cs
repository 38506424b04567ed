using Peft.Orleans.Client.Clusters;
using Peft.Orleans.Core.Cluster;
using SiloStatus = Peft.Orleans.Core.Cluster.SiloStatus;

namespace Peft.Orleans.Client.Runs;

/// <summary>Where a run is shown in a browser, by any silo of its cluster.</summary>
internal static class WatchPage
{
    /// <summary>The page of the first silo that lives, at the run; null where none is known.</summary>
    public static string? Of(IEnumerable<SiloStatus> silos, string runId) => silos
        .Select(static silo => SiloPage.Of(silo.MetricsUrl))
        .FirstOrDefault(static page => page is not null) is { } page ? $"{page}#/runs/{Uri.EscapeDataString(runId)}" : null;

    /// <summary>The same, by what the cluster says; an address that does not come at once is not waited for.</summary>
    public static async Task<string?> Ask(ClusterClient client, string runId)
    {
        try
        {
            return Of(await client.Grains.GetGrain<IClusterGrain>(0).Silos().WaitAsync(ClusterTimes.Current.Answer), runId);
        }
        catch (Exception error) when (StartWatch.IsPassing(error))
        {
            return null;
        }
    }
}
