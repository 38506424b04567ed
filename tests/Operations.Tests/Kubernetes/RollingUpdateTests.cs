using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Peft.Orleans.Operations.Tests.Health;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Kubernetes;

/// <summary>
/// A rolling update as a StatefulSet makes it: one pod after the other is told to end, ends in its grace, and comes back under its name at
/// another address, with the same ports. The client knows the name of the service, and nothing else.
/// </summary>
public sealed class RollingUpdateTests : IDisposable
{
    private const string Service = "peft-silo.peft.svc";

    private static int network = Random.Shared.Next(1, 250);

    private readonly Workspace workspace = new();
    private readonly Dictionary<string, (KubeletSilo Silo, IPAddress Address)> pods = [];
    private readonly int port = Random.Shared.Next(10_240, 32_768);
    private readonly int subnet = Interlocked.Increment(ref network);
    private readonly HeadlessService names;
    private int addresses;

    public RollingUpdateTests()
    {
        Tool.Require("unshare", "util-linux");
        try
        {
            names = new HeadlessService(IPAddress.Parse($"127.88.{subnet}.1"), Service);
        }
        catch (SocketException error)
        {
            Assert.Skip($"SKIPPED: a name server needs port 53, which only root may have: {error.Message}");
            throw;
        }

        workspace.Write("resolv.conf", $"nameserver 127.88.{subnet}.1\noptions timeout:5 attempts:3\n");
        Directory.CreateDirectory(Path.Combine(workspace.Folder, "cluster"));
    }

    [Fact]
    public async Task All_silos_are_replaced_at_other_addresses_and_no_step_is_made_again()
    {
        foreach (var pod in (string[])["peft-silo-0", "peft-silo-1", "peft-control-x"]) await Start(pod);
        var file = EmbeddedModel.RunFile(workspace);
        using var run = EndlessRun.Start(Client, file, "rolled", "--cluster", $"{Service}:{port}");
        await run.Reached(2);
        // From the highest number down, as a StatefulSet does.
        foreach (var pod in (string[])["peft-silo-1", "peft-silo-0", "peft-control-x"])
        {
            await End(pod);
            await run.MoreSteps(1);
            await Start(pod);
            await run.Until(() => Members(run).Contains(pod));
            await run.MoreSteps(1);
        }

        using var stop = Client(["stop", "rolled", "--snapshot", "--cluster", $"{Service}:{port}"]);
        await stop.WaitForExitAsync(Patience.Token);
        Assert.Equal(0, stop.ExitCode);
        // The client that began it has followed it over three moves: it asked for the name again and again.
        await run.Stopped();
        Assert.True(names.Asked > 6, $"the name was asked for {names.Asked} times");
        await run.AssertUndisturbed();
        Assert.All(run.Events("term"), static term => Assert.Equal(0, term.GetProperty("replayed").GetInt32()));
        Assert.Equal(["peft-silo-1", "peft-silo-0"], run.Events("leaving").Select(static left => left.GetProperty("silo").GetString()));
    }

    public void Dispose()
    {
        foreach (var (silo, _) in pods.Values) silo.Dispose();
        names?.Dispose();
        workspace.Dispose();
    }

    private async Task Start(string name)
    {
        var address = IPAddress.Parse(string.Create(CultureInfo.InvariantCulture, $"127.88.{subnet}.{10 + addresses++}"));
        string[] seats = name.StartsWith("peft-control", StringComparison.Ordinal) ? ["--seats", "none"] : [];
        var silo = await KubeletSilo.Start(
            Path.Combine(workspace.Folder, "cluster"), name, ["--host", $"{address}", "--gateway-port", $"{port}", .. seats]);
        await silo.Until("ready", 200);
        pods[name] = (silo, address);
        names.Ready = [.. names.Ready, address];
    }

    /// <summary>As a kubelet ends a pod: no longer ready, SIGTERM, and the name forgets it.</summary>
    private async Task End(string name)
    {
        var (silo, address) = pods[name];
        silo.Signal("TERM");
        names.Ready = [.. names.Ready.Where(other => !other.Equals(address))];
        await silo.Ended.WaitAsync(Patience.Limit);
        Assert.True(silo.ExitCode == 0, silo.Log);
        Assert.True(!silo.Log.Contains("before rolled went on", StringComparison.Ordinal), silo.Log);
    }

    /// <summary>Silos of the term in force.</summary>
    private static string[] Members(EndlessRun run) =>
        [.. run.Events("term")[^1].GetProperty("silos").EnumerateArray().Select(static silo => silo.GetString()!)];

    /// <summary>A client whose names come from the server of this test.</summary>
    private Process Client(string[] arguments)
    {
        const string Script = "mount --bind \"$1\" /etc/resolv.conf || exit 9; shift; exec dotnet \"$@\"";
        var start = new ProcessStartInfo(
            "unshare",
            ["--mount", "sh", "-c", Script, "sh", Path.Combine(workspace.Folder, "resolv.conf"), PeftClient.Program, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        start.Environment["PEFT_HOME"] = Path.Combine(workspace.Folder, "home");
        start.Environment["NO_COLOR"] = "1";
        return Process.Start(start)!;
    }
}
