using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Dashboards.Answers;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Prometheus;

/// <summary>
/// A real Prometheus that scrapes the silos of a cluster's folder every second, whichever come and go, with the labels that a cluster's
/// scrape configuration gives them; and exporters beside them.
/// </summary>
internal sealed class PrometheusServer : IDisposable
{
    /// <summary>The name of the cluster in the labels.</summary>
    internal const string Cluster = "local";

    private const int Attempts = 5;

    private readonly Process process;
    private readonly string folder;
    private readonly string clusterFolder;
    private readonly Timer timer;
    private readonly object writing = new();
    private string written = "";

    private PrometheusServer(Process process, int port, string folder, string clusterFolder)
    {
        this.process = process;
        this.folder = folder;
        this.clusterFolder = clusterFolder;
        Api = new PrometheusApi(new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}/")));
        timer = new Timer(_ => WriteTargets(), null, TimeSpan.Zero, TimeSpan.FromMilliseconds(200));
    }

    /// <summary>Its HTTP interface.</summary>
    internal PrometheusApi Api { get; }

    /// <summary>Starts it and waits until it answers; skips the test where there is none.</summary>
    /// <param name="clusterFolder">The cluster's folder, there or to come.</param>
    /// <param name="rules">Rules in the form of promtool; null: none.</param>
    /// <param name="exporters">Other targets: job and address.</param>
    internal static async Task<PrometheusServer> Start(
        string clusterFolder, string? rules = null, params (string Job, string Address)[] exporters)
    {
        var program = Tool.Require("prometheus", "prometheus");
        var folder = Directory.CreateTempSubdirectory("peft-prometheus").FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "prometheus.yml"), Configuration(rules is not null, exporters));
        if (rules is not null) await File.WriteAllTextAsync(Path.Combine(folder, "rules.yaml"), rules);
        for (var attempt = 1; ; attempt++)
        {
            var port = FreePort();
            var process = Launch(program, folder, port);
            var server = new PrometheusServer(process, port, folder, clusterFolder);
            await Patience.Until(() => process.HasExited || server.Api.IsReady().GetAwaiter().GetResult());
            if (!process.HasExited) return server;
            // Another took the port since.
            if (attempt == Attempts)
                throw new InvalidOperationException(await File.ReadAllTextAsync(Path.Combine(folder, "prometheus.log")));
            await server.timer.DisposeAsync();
        }
    }

    /// <summary>A port that was free a moment ago.</summary>
    internal static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    public void Dispose()
    {
        timer.Dispose();
        Api.Dispose();
        if (!process.HasExited) process.Kill();
        process.WaitForExit();
        process.Dispose();
        lock (writing) Directory.Delete(folder, recursive: true);
    }

    private static string Configuration(bool rules, (string Job, string Address)[] exporters) => string.Join('\n',
    [
        "global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }",
        .. rules ? ["rule_files: [rules.yaml]"] : Array.Empty<string>(),
        "scrape_configs:",
        "  - job_name: peft-silo",
        "    honor_labels: true",
        "    file_sd_configs: [{ files: [silos.json] }]",
        .. exporters.Select(static exporter =>
            $$"""  - { job_name: {{exporter.Job}}, static_configs: [{ targets: ["{{exporter.Address}}"] }] }"""),
        "",
    ]);

    private static Process Launch(string program, string folder, int port)
    {
        var start = new ProcessStartInfo("/bin/sh") { WorkingDirectory = folder };
        string[] arguments =
        [
            "-c", "exec \"$@\" >prometheus.log 2>&1", "sh", program,
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            string.Create(CultureInfo.InvariantCulture, $"--web.listen-address=127.0.0.1:{port}"),
        ];
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        return Process.Start(start)!;
    }

    /// <summary>Tells Prometheus, which watches the file, of silos that came.</summary>
    private void WriteTargets()
    {
        lock (writing)
        {
            if (!Directory.Exists(folder) || !Directory.Exists(clusterFolder)) return;
            try
            {
                var targets = new JsonArray([.. SiloRegistration.ReadAll(clusterFolder).Select(static silo => new JsonObject
                {
                    ["targets"] = new JsonArray(new Uri(silo.MetricsUrl).Authority),
                    ["labels"] = new JsonObject { ["cluster"] = Cluster, ["silo"] = silo.Name },
                })]).ToJsonString();
                if (targets == written) return;
                var next = Path.Combine(folder, "silos.json.next");
                File.WriteAllText(next, targets);
                File.Move(next, Path.Combine(folder, "silos.json"), overwrite: true);
                written = targets;
            }
            catch (IOException)
            {
                // A registration is just being written; the next look finds it.
            }
        }
    }
}
