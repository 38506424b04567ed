using System.Globalization;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Stores;

/// <summary>Silos that share a store and no folder, and a run on them.</summary>
internal sealed class StoreCluster : IDisposable
{
    private readonly Dictionary<string, (RemoteClusterSilo Silo, string Http)> silos = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> gateways = new(StringComparer.Ordinal);
    private readonly StoreServer server;
    private readonly string connection;

    private StoreCluster(Workspace workspace, StoreServer server)
    {
        (Workspace, this.server) = (workspace, server);
        connection = workspace.Write("connection", server.Connection + "\n");
        foreach (var name in (string[])["a", "b", "c", "d"]) gateways[name] = FreePort();
    }

    internal Workspace Workspace { get; }

    /// <summary>Where clients look for silos, those that are not there yet too.</summary>
    internal string Address => string.Join(',', gateways.Values.Select(static port => "127.0.0.1:" + port));

    /// <summary>Starts a server.</summary>
    internal static async Task<(StoreCluster Cluster, StoreServer Server)> Start(string kind, bool keeps = true)
    {
        var workspace = new Workspace();
        var folder = Path.Combine(workspace.Folder, "server");
        Directory.CreateDirectory(folder);
        // The server's user is another.
        if (!OperatingSystem.IsWindows() && Environment.UserName == "root") File.SetUnixFileMode(workspace.Folder, Mode);
        StoreServer server = kind == "redis" ? new RedisServer(folder, keeps) : new PostgresqlServer(folder);
        var cluster = new StoreCluster(workspace, server);
        await server.Start();
        return (cluster, server);
    }

    private static UnixFileMode Mode =>
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    /// <summary>Starts silos, or some of them again.</summary>
    internal async Task Up(params string[] names)
    {
        foreach (var name in names)
        {
            if (silos.Remove(name, out var former)) former.Silo.Dispose();
            File.Delete(Log(name));
            var http = FreePort();
            var silo = RemoteClusterSilo.Start(
                Log(name), Workspace.Folder, "--store", server.Kind, "--store-connection-file", connection, "--name", name,
                "--threads", "1", "--gateway-port", gateways[name], "--http-port", http);
            silos[name] = (silo, http);
        }

        foreach (var name in names)
        {
            await Patience.Until(() => Said(name).Contains($"silo {name} is up", StringComparison.Ordinal) || Silo(name).Ended.IsCompleted);
            Assert.False(Silo(name).Ended.IsCompleted, Said(name));
        }
    }

    internal RemoteClusterSilo Silo(string name) => silos[name].Silo;

    /// <summary>What a silo has logged.</summary>
    internal string Said(string name) => File.Exists(Log(name)) ? File.ReadAllText(Log(name)) : "";

    /// <summary>SIGKILL, and the process is gone.</summary>
    internal async Task Kill(params string[] names)
    {
        foreach (var name in names) Silo(name).Kill();
        foreach (var name in names) await Silo(name).Ended;
    }

    /// <summary>The silos that live.</summary>
    internal IEnumerable<string> Living() => silos.Keys.Where(name => !Silo(name).Ended.IsCompleted).Order(StringComparer.Ordinal);

    /// <summary>The silo that has a run's coordinator: it alone counts steps.</summary>
    internal async Task<string> Coordinator(string runId)
    {
        using var http = new HttpClient();
        foreach (var name in Living())
        {
            var page = await http.GetStringAsync($"http://127.0.0.1:{silos[name].Http}/metrics");
            if (page.Split('\n').Any(line => line.StartsWith(ProgressMetrics.Steps.Prometheus, StringComparison.Ordinal)
                && line.Contains($"run=\"{runId}\"", StringComparison.Ordinal)))
                return name;
        }

        throw new InvalidOperationException($"no silo counts steps of {runId}");
    }

    /// <summary>Starts a run that does not end by itself.</summary>
    internal EndlessRun StartRun(string id) => EndlessRun.Start(
        EmbeddedModel.RunFile(Workspace, extra: "elastic: { max_silos: 3 }"), id, "--cluster", Address);

    public void Dispose()
    {
        foreach (var (silo, _) in silos.Values) silo.Dispose();
        server.Dispose();
        Workspace.Dispose();
    }

    private string Log(string name) => Path.Combine(Workspace.Folder, name + ".log");

    private static string FreePort()
    {
        // Below the ports that the system hands out to connections, as a silo is to listen there later, and again.
        for (var attempt = 0; ; attempt++)
        {
            var port = Random.Shared.Next(10_240, 32_768);
            try
            {
                using var listener = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, port);
                listener.Start();
                return port.ToString(CultureInfo.InvariantCulture);
            }
            catch (System.Net.Sockets.SocketException) when (attempt < 100)
            {
                // Taken.
            }
        }
    }
}
