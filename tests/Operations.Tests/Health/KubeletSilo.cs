using System.Diagnostics;
using System.Text.Json;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Health;

/// <summary>A silo that a test treats as a kubelet does: asks its probes, sends SIGTERM, and SIGKILL when its grace is over.</summary>
internal sealed class KubeletSilo : IDisposable
{
    private static readonly HttpClient Http = new() { Timeout = TimeSpan.FromSeconds(10) };

    private readonly RemoteClusterSilo silo;
    private readonly string cluster;

    private KubeletSilo(RemoteClusterSilo silo, string cluster, string name) => (this.silo, this.cluster, Name) = (silo, cluster, name);

    internal string Name { get; }

    internal int Pid => silo.Pid;

    internal Task Ended => silo.Ended;

    internal int ExitCode => silo.ExitCode;

    /// <summary>Where clients reach it.</summary>
    internal string Gateway => $"127.0.0.1:{Registration().GetProperty("gatewayPort").GetInt32()}";

    internal string Log => File.ReadAllText(LogOf(cluster, Name));

    /// <summary>Starts it; it is up when its startup probe says so.</summary>
    internal static async Task<KubeletSilo> Start(string cluster, string name, params string[] more)
    {
        var silo = RemoteClusterSilo.Start(
            LogOf(cluster, name), cluster, ["--cluster-folder", cluster, "--name", name, "--threads", "1", .. more]);
        var started = new KubeletSilo(silo, cluster, name);
        await started.Until("startup", 200);
        return started;
    }

    /// <summary>Asks a probe: its status code, and what it says; null where nobody listens.</summary>
    internal async Task<(int Code, string Text)?> Ask(string probe)
    {
        try
        {
            var metrics = new Uri(Registration().GetProperty("metricsUrl").GetString()!);
            using var answer = await Http.GetAsync(new Uri(metrics, "/health/" + probe));
            return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
        }
        catch (Exception error) when (error is HttpRequestException or IOException or TaskCanceledException)
        {
            return null;
        }
    }

    /// <summary>Asks a probe again and again until it answers so.</summary>
    internal Task Until(string probe, int code) => Patience.Until(() =>
    {
        Assert.False(Ended.IsCompleted, Ended.IsCompleted ? Log : "");
        return Ask(probe).GetAwaiter().GetResult()?.Code == code;
    });

    internal void Signal(string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", $"{Pid}"]);
        kill.WaitForExit();
    }

    /// <summary>SIGTERM, and the end within the grace of a pod.</summary>
    internal async Task Terminate()
    {
        Signal("TERM");
        await Ended.WaitAsync(Patience.Limit);
        Assert.True(ExitCode == 0, Log);
    }

    public void Dispose() => silo.Dispose();

    private static string LogOf(string cluster, string name) => Path.Combine(cluster, name + ".log");

    private JsonElement Registration() =>
        JsonDocument.Parse(File.ReadAllText(Path.Combine(cluster, "silos", Name + ".json"))).RootElement;
}
