using System.Diagnostics;
using System.Globalization;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>
/// Silos on machines of their own, as far as the network goes: each in a network namespace, joined by a bridge in another one where the
/// client is. Cables can be cut.
/// </summary>
internal sealed class NetworkOfSilos : IAsyncDisposable
{
    private const string Host = "eth0";

    private readonly Workspace workspace = new();
    private readonly string prefix = string.Create(CultureInfo.InvariantCulture, $"peft{Environment.ProcessId % 100_000}x");
    private readonly List<Process> silos = [];
    private readonly int count;
    private readonly int gatewayPort = Random.Shared.Next(10_240, 32_768);

    private NetworkOfSilos(int count) => this.count = count;

    internal string Folder => workspace.Folder;

    internal Workspace Workspace => workspace;

    internal string Cluster =>
        string.Join(
            ',',
            Enumerable.Range(0, count).Select(silo => string.Create(CultureInfo.InvariantCulture, $"{Address(silo)}:{gatewayPort}"))
        );

    /// <summary>Builds the network and starts silos silo-0, silo-1 …; skips the test where that is not allowed.</summary>
    internal static async Task<NetworkOfSilos> Start(int count)
    {
        if (!File.Exists("/usr/sbin/ip") && !File.Exists("/sbin/ip") && !File.Exists("/usr/bin/ip"))
            Assert.Skip("SKIPPED: cutting cables needs the ip command (Debian's package iproute2)");
        if (Environment.UserName != "root")
            Assert.Skip("SKIPPED: network namespaces need root");
        var network = new NetworkOfSilos(count);
        try
        {
            await network.Build();
            return network;
        }
        catch (NetworkNotAllowedException error)
        {
            await network.DisposeAsync();
            Assert.Skip("SKIPPED: network namespaces are not allowed here: " + error.Message);
            throw;
        }
    }

    /// <summary>A client's process on the machine of the bridge.</summary>
    internal Process Client(params string[] arguments)
    {
        var start = new ProcessStartInfo("ip")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        foreach (var argument in (string[])["netns", "exec", Hub, "dotnet", PeftClient.Program, .. arguments])
            start.ArgumentList.Add(argument);
        start.Environment["PEFT_HOME"] = Path.Combine(Folder, "home");
        start.Environment["NO_COLOR"] = "1";
        start.Environment["PEFT_INSECURE"] = "true";
        return Process.Start(start)!;
    }

    /// <summary>What two silos send each other arrives nowhere; both still talk to all others.</summary>
    internal void CutBetween(int one, int other)
    {
        Misdirect(one, other);
        Misdirect(other, one);
    }

    /// <summary>Pulls a silo's only cable.</summary>
    internal void CutOff(int silo) => Ip("-n", Hub, "link", "set", Port(silo), "down");

    /// <summary>Whether a silo's process has ended.</summary>
    internal Process Silo(int silo) => silos[silo];

    internal string Log(int silo) => Path.Combine(Folder, string.Create(CultureInfo.InvariantCulture, $"silo-{silo}.log"));

    /// <summary>What all silos have written: why a run did not go on.</summary>
    internal string Logs => string.Concat(Enumerable.Range(0, silos.Count).Select(silo =>
        $"\nsilo-{silo}, {(silos[silo].HasExited ? "ended" : "alive")}:\n{File.ReadAllText(Log(silo))}"));

    public async ValueTask DisposeAsync()
    {
        foreach (var silo in silos)
        {
            if (!silo.HasExited) silo.Kill(entireProcessTree: true);
            await silo.WaitForExitAsync();
            silo.Dispose();
        }

        for (var silo = 0; silo < count; silo++) Try("netns", "del", Machine(silo));
        Try("netns", "del", Hub);
        workspace.Dispose();
    }

    private async Task Build()
    {
        Ip("netns", "add", Hub);
        Ip("-n", Hub, "link", "set", "lo", "up");
        Ip("-n", Hub, "link", "add", "bridge", "type", "bridge");
        Ip("-n", Hub, "addr", "add", "10.77.0.254/24", "dev", "bridge");
        Ip("-n", Hub, "link", "set", "bridge", "up");
        for (var silo = 0; silo < count; silo++)
        {
            Ip("netns", "add", Machine(silo));
            Ip("-n", Machine(silo), "link", "set", "lo", "up");
            Ip("-n", Hub, "link", "add", Port(silo), "type", "veth", "peer", "name", Host, "netns", Machine(silo));
            Ip("-n", Hub, "link", "set", Port(silo), "master", "bridge", "up");
            Ip("-n", Machine(silo), "addr", "add", Address(silo) + "/24", "dev", Host);
            Ip("-n", Machine(silo), "link", "set", Host, "up");
        }

        var cluster = Path.Combine(Folder, "cluster");
        Directory.CreateDirectory(cluster);
        for (var silo = 0; silo < count; silo++)
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"silo-{silo}");
            var start = new ProcessStartInfo("/bin/sh");
            foreach (
                var argument in (string[])
                    [
                        "-c",
                        "log=$1; shift; exec ip netns exec \"$@\" >>\"$log\" 2>&1",
                        "sh",
                        Log(silo),
                        Machine(silo),
                        "dotnet",
                        RemoteClusterSilo.Program,
                        "--cluster-folder",
                        cluster,
                        "--name",
                        name,
                        "--threads",
                        "1",
                        "--host",
                        Address(silo),
                        "--insecure",
                        "--gateway-port",
                        gatewayPort.ToString(CultureInfo.InvariantCulture),
                    ]
            )
                start.ArgumentList.Add(argument);
            silos.Add(Process.Start(start)!);
            await Patience.Until(() => File.Exists(Path.Combine(cluster, "silos", name + ".json")) || silos[silo].HasExited);
            Assert.False(silos[silo].HasExited, File.ReadAllText(Log(silo)));
        }
    }

    /// <summary>Frames for the other silo go to a hardware address that nobody has: no answer, no error.</summary>
    private void Misdirect(int from, int to) =>
        Ip("-n", Machine(from), "neigh", "replace", Address(to), "lladdr", "02:00:00:00:00:ee", "nud", "permanent", "dev", Host);

    private string Hub => prefix + "hub";

    private string Machine(int silo) => prefix + silo.ToString(CultureInfo.InvariantCulture);

    private static string Port(int silo) => string.Create(CultureInfo.InvariantCulture, $"port{silo}");

    private static string Address(int silo) => string.Create(CultureInfo.InvariantCulture, $"10.77.0.{silo + 1}");

    private static void Ip(params string[] arguments)
    {
        if (Try(arguments) is { } error) throw new NetworkNotAllowedException($"ip {string.Join(' ', arguments)}: {error}");
    }

    private static string? Try(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("ip", arguments) { RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? null : error.Trim();
    }

    private sealed class NetworkNotAllowedException(string message) : Exception(message);
}
