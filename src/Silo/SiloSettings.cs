using System.Net;
using System.Net.Sockets;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Silo;

/// <summary>Configuration of a silo: command line over environment (<c>PEFT_SILO_…</c>) over defaults; docs/silo.md lists it.</summary>
internal sealed record SiloSettings
{
    /// <summary>Silo name; in Kubernetes the pod's.</summary>
    public required string Name { get; init; }

    /// <summary>Folder of the cluster's SQLite files and registrations.</summary>
    public required string ClusterFolder { get; init; }

    /// <summary>Compute threads.</summary>
    public required int Threads { get; init; }

    /// <summary>Memory for weights and activations on the silo's device, bytes.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>Address to bind and to publish.</summary>
    public required string Host { get; init; }

    /// <summary>Silo-to-silo port; 0: any free one.</summary>
    public required int SiloPort { get; init; }

    /// <summary>Client port; 0: any free one.</summary>
    public required int GatewayPort { get; init; }

    /// <summary>Data plane port; 0: any free one.</summary>
    public required int DataPort { get; init; }

    /// <summary>Port of /metrics and /health; 0: any free one.</summary>
    public required int HttpPort { get; init; }

    /// <summary>Whether the silo ends when its standard input closes.</summary>
    public required bool ExitWithParent { get; init; }

    /// <summary>Folder of the local run this silo was added to by hand; null: none.</summary>
    public string? JoinedRun { get; init; }

    private static readonly Dictionary<string, string> Known = new(StringComparer.Ordinal)
    {
        [SiloArguments.ClusterFolder] = "folder of the local cluster",
        [SiloArguments.Name] = "silo name",
        [SiloArguments.Threads] = "compute threads",
        ["--memory"] = "MiB for weights and activations (the machine's, shared by the silos on it)",
        [SiloArguments.Join] = "run folder whose local cluster this silo joins",
        [SiloArguments.ExitWithParent] = "end when standard input closes (no value)",
        ["--host"] = "address to bind and publish (127.0.0.1)",
        ["--silo-port"] = "silo-to-silo port (any free one)",
        ["--gateway-port"] = "client port (any free one)",
        ["--data-port"] = "data plane port (any free one)",
        ["--http-port"] = "port of /metrics and /health (any free one)",
    };

    internal static string Help =>
        "peft-silo: a silo of a Peft.Orleans cluster\n\n" +
        $"  {SiloArguments.Check,-20} alone: say what libtorch has on this machine, and end\n" +
        string.Join('\n', Known.Select(static option => $"  {option.Key,-20} {option.Value}")) +
        "\n\nEach may also be given as an environment variable: PEFT_SILO_GATEWAY_PORT for --gateway-port.";

    /// <summary>Reads the command line.</summary>
    /// <exception cref="PeftException">Unknown or malformed option.</exception>
    internal static SiloSettings Read(string[] args)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var option in Known.Keys)
        {
            var variable = "PEFT_SILO_" + option[2..].Replace('-', '_').ToUpperInvariant();
            if (Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value) values[option] = value;
        }

        for (var i = 0; i < args.Length; i++)
        {
            if (!Known.ContainsKey(args[i])) throw new PeftException($"unknown option {args[i]}; peft-silo --help lists them");
            if (args[i] == SiloArguments.ExitWithParent) values[args[i]] = "true";
            else if (i + 1 == args.Length) throw new PeftException($"{args[i]} needs a value: {Known[args[i]]}");
            else values[args[i]] = args[++i];
        }

        var run = values.TryGetValue(SiloArguments.Join, out var joined) ? Path.TrimEndingDirectorySeparator(Path.GetFullPath(joined)) : null;
        var folder = values.GetValueOrDefault(SiloArguments.ClusterFolder)
            ?? (run is null ? null : Path.Combine(run, SiloArguments.ClusterSubfolder))
            ?? throw new PeftException($"give {SiloArguments.ClusterFolder} FOLDER, or {SiloArguments.Join} RUN_FOLDER to join a local run");
        if (run is not null && !Directory.Exists(folder)) throw new PeftException($"{folder} does not exist: {joined} is no folder of a local run");
        var threads = Number(values, SiloArguments.Threads, 0);
        if (run is not null) threads = ThreadsOf(run, threads);
        var registered = SiloRegistration.ReadAll(folder);
        return new SiloSettings
        {
            Name = values.GetValueOrDefault(SiloArguments.Name) ?? FreeName(registered),
            ClusterFolder = Path.GetFullPath(folder),
            Threads = threads > 0 ? threads : Environment.ProcessorCount,
            MemoryBytes = Number(values, "--memory", 0) is var mebibytes and > 0 ? (long)mebibytes << 20 : GC.GetGCMemoryInfo().TotalAvailableMemoryBytes,
            JoinedRun = run,
            Host = values.GetValueOrDefault("--host", "127.0.0.1"),
            SiloPort = Port(values, "--silo-port"),
            GatewayPort = Port(values, "--gateway-port"),
            DataPort = Number(values, "--data-port", 0),
            HttpPort = Port(values, "--http-port"),
            ExitWithParent = values.ContainsKey(SiloArguments.ExitWithParent),
        };
    }

    /// <summary>The threads a run was created for: with another number its sums would be other bits, and it would refuse the silo.</summary>
    private static int ThreadsOf(string run, int given)
    {
        var path = Path.Combine(run, "run.yaml");
        if (!File.Exists(path) || RunFile.Load(path).Compute.ThreadsPerSilo is not { } recorded) return given;
        return given == 0 || given == recorded
            ? recorded
            : throw new PeftException($"{SiloArguments.Threads} {given}: the run was created for {recorded} threads per silo ({path}); leave {SiloArguments.Threads} out");
    }

    private static string FreeName(IReadOnlyList<SiloRegistration> registered)
    {
        for (var i = 0; ; i++)
        {
            if (registered.All(silo => silo.Name != $"silo-{i}")) return $"silo-{i}";
        }
    }

    private static int Number(Dictionary<string, string> values, string option, int otherwise) =>
        !values.TryGetValue(option, out var text) ? otherwise
        : int.TryParse(text, out var number) && number >= 0 ? number
        : throw new PeftException($"{option} {text}: not a number");

    /// <summary>The port asked for, checked to be free, or a free one.</summary>
    private static int Port(Dictionary<string, string> values, string option)
    {
        var wanted = Number(values, option, 0);
        if (wanted != 0)
        {
            if (Refusal(wanted) is not { } reason) return wanted;
            throw new PeftException($"port {wanted} ({option}) cannot be used: {reason}; choose another, or leave the option out for any free port");
        }

        // Below the ports that the system hands out for outgoing connections: one of those could take it before it is listened on.
        for (var attempt = 0; attempt < 200; attempt++)
        {
            var candidate = Random.Shared.Next(10_240, 32_768);
            if (Refusal(candidate) is null) return candidate;
        }

        throw new PeftException($"no free port for {option} found between 10240 and 32767; give one");
    }

    private static string? Refusal(int port)
    {
        using var probe = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            probe.Bind(new IPEndPoint(IPAddress.Any, port));
            return null;
        }
        catch (SocketException error)
        {
            return error.Message;
        }
    }
}
