using System.Diagnostics;
using System.Globalization;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Prometheus;

/// <summary>Debian's node exporter on a free port: the figures of the machine.</summary>
internal sealed class NodeExporter : IDisposable
{
    private readonly Process process;

    internal NodeExporter()
    {
        var program = Tool.Require("prometheus-node-exporter", "prometheus-node-exporter");
        Address = string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{PrometheusServer.FreePort()}");
        var start = new ProcessStartInfo(
            "/bin/sh", ["-c", "exec \"$@\" >/dev/null 2>&1", "sh", program, $"--web.listen-address={Address}"]);
        process = Process.Start(start)!;
    }

    /// <summary>Host and port.</summary>
    internal string Address { get; }

    public void Dispose()
    {
        if (!process.HasExited) process.Kill();
        process.WaitForExit();
        process.Dispose();
    }
}
