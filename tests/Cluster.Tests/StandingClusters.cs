using System.Text.Json;
using Peft.Orleans.Cluster.Tests;
using Peft.Orleans.Tests;

[assembly: AssemblyFixture(typeof(StandingClusters))]

namespace Peft.Orleans.Cluster.Tests;

/// <summary>
/// Clusters of one, two and three silos that stand while tests run on them, several at once; each is started when it is first asked for.
/// </summary>
public sealed class StandingClusters : IDisposable
{
    private readonly Workspace workspace = new();
    private readonly List<RemoteClusterSilo> silos = [];
    private readonly Dictionary<int, Task<string>> addresses = [];

    /// <summary>The address of the cluster of so many silos.</summary>
    internal Task<string> Address(int count)
    {
        lock (addresses) return addresses.TryGetValue(count, out var known) ? known : addresses[count] = Start(count);
    }

    /// <summary>Starts a run on the cluster of so many silos; the user's working folder and index of runs are the tests' own.</summary>
    internal async Task<PeftClient.Outcome> StartRun(string file, string runId, int count, params string[] more)
    {
        string[] start = ["start-run", "-f", file, "--cluster", await Address(count), "--run-id", runId, "-o", "json"];
        return (await PeftClient.Run([.. start, .. more])).Succeeded();
    }

    /// <summary>The metrics page of the cluster of one silo.</summary>
    internal async Task<string> Metrics()
    {
        using var registration = JsonDocument.Parse(
            await File.ReadAllTextAsync(Path.Combine(Folder(1), "silos", "silo-0.json"))
        );
        using var http = new HttpClient();
        return await http.GetStringAsync(registration.RootElement.GetProperty("metricsUrl").GetString());
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        silos.ForEach(static silo => silo.Dispose());
        workspace.Dispose();
    }

    private string Folder(int count) => Path.Combine(workspace.Folder, $"cluster-{count}");

    private async Task<string> Start(int count)
    {
        Directory.CreateDirectory(Folder(count));
        var gateways = new List<string>();
        for (var i = 0; i < count; i++)
        {
            var (silo, gateway) = await RemoteClusterSilo.Start(Folder(count), $"silo-{i}", Folder(count));
            lock (silos) silos.Add(silo);
            gateways.Add(gateway);
        }

        return string.Join(',', gateways);
    }
}
