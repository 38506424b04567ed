using System.Net;
using System.Reflection;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Silo.Stores;

namespace Peft.Orleans.Silo;

/// <summary>Configuration of a silo: command line over environment over defaults.</summary>
/// <remarks>To add a setting: a property with its <see cref="SettingAttribute"/>, and its row in docs/silo.md, which a test
/// compares.</remarks>
internal sealed record SiloSettings
{
    private const string AnySeats = "any";

    /// <summary>Folder of the cluster's SQLite files, registrations and uploads, absolute; empty: another store, and no folder.</summary>
    [Setting(SiloArguments.ClusterFolder, "FOLDER", "that of `--join`",
        "folder with membership and grain state (SQLite) and one registration per silo; with another store only uploads need one")]
    public string ClusterFolder { get; init; } = "";

    /// <summary>What keeps membership, grain state and reminders, as it was given.</summary>
    [Setting(StoreSettings.Option, "STORE", "sqlite",
        "where membership, grain state and reminders are: `sqlite`, `redis` or `postgresql` ([stores](stores.md))")]
    public string StoreName { get; init; } = "sqlite";

    /// <summary>File with the connection to the store; null: it is in the environment.</summary>
    [Setting(StoreSettings.FileOption, "FILE", "the variable `PEFT_SILO_STORE_CONNECTION`",
        "file with the connection to Redis or PostgreSQL, which may hold a password")]
    public string? StoreConnectionFile { get; init; }

    /// <summary>What keeps membership, grain state and reminders.</summary>
    internal StoreKind Store { get; init; }

    /// <summary>Connection to the store; null: SQLite.</summary>
    internal string? StoreConnection { get; init; }

    /// <summary>Folder of the local run this silo was added to by hand; null: none.</summary>
    [Setting(
        SiloArguments.Join,
        "RUN_FOLDER",
        "–",
        "run folder whose cluster is joined, with the threads of its run file; the silo ends with the run")]
    public string? JoinedRun { get; init; }

    /// <summary>Silo name, in Kubernetes the pod's; null until one is claimed.</summary>
    [Setting(
        SiloArguments.Name,
        "NAME",
        "first free `silo-N`",
        "silo name, of letters, digits, '.', '_' and '-'; seats are planned by name")]
    public string? Name { get; init; }

    /// <summary>Compute threads.</summary>
    [Setting(
        SiloArguments.Threads,
        "N",
        "number of processors",
        "compute threads; a run refuses a silo with another number than it was created for",
        Most = 4096)]
    public int Threads { get; init; }

    /// <summary>Memory for weights and activations on the silo's device, MiB; 0: the machine's.</summary>
    [Setting("--memory", "MIB", "the machine's", "memory for weights and activations; silos of one machine share its own", Most = 1 << 30)]
    public int MemoryMebibytes { get; init; }

    /// <summary>Which layers may be seated here: any or none.</summary>
    [Setting(
        "--seats",
        "any|none",
        "any",
        "`none`: no layer is seated here; coordinators, data sets and clients have a silo that needs neither device nor threads")]
    public string Seats { get; init; } = AnySeats;

    /// <summary>Address to bind and to publish.</summary>
    [Setting("--host", "ADDRESS", "127.0.0.1", "IP address to bind and to publish")]
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>Silo-to-silo port.</summary>
    [Setting("--silo-port", "PORT", "any free port", "silo to silo", Most = 65_535)]
    public int SiloPort { get; init; }

    /// <summary>Client port.</summary>
    [Setting("--gateway-port", "PORT", "any free port", "clients", Most = 65_535)]
    public int GatewayPort { get; init; }

    /// <summary>Data plane port; 0: any free one.</summary>
    [Setting("--data-port", "PORT", "any free port", "tensors, silo to silo", Most = 65_535)]
    public int DataPort { get; init; }

    /// <summary>Port of /metrics and /health.</summary>
    [Setting("--http-port", "PORT", "any free port", "HTTP: `/metrics`, `/health/startup`, `/health/ready`, `/health/live`", Most = 65_535)]
    public int HttpPort { get; init; }

    /// <summary>Peak of the device, GFLOP/s; 0: not known.</summary>
    [Setting("--peak-gflops", "N", "not known", "the device's peak in GFLOP/s for the run's type: `peft_mfu_ratio` is told against it")]
    public int PeakGigaflops { get; init; }

    /// <summary>Where traces are sent; empty: OTEL_EXPORTER_OTLP_ENDPOINT, and without that nowhere.</summary>
    [Setting("--otlp-endpoint", "URL", "`OTEL_EXPORTER_OTLP_ENDPOINT`; without, no traces", "where traces are sent by OTLP")]
    public string OtlpEndpoint { get; init; } = "";

    /// <summary>Share of the steps that are traced, per cent.</summary>
    [Setting("--trace-percent", "N", "1", "share of the steps that are traced, per cent; runs and terms always are", Least = 0, Most = 100)]
    public int TracePercent { get; init; } = 1;

    /// <summary>Whether Orleans' own spans are sent too.</summary>
    [Setting("--trace-orleans", "", "off", "with traces: calls between grains too, within the phases that make them")]
    public bool TraceOrleans { get; init; }

    /// <summary>Whether the silo ends when its standard input closes.</summary>
    [Setting(SiloArguments.ExitWithParent, "", "off", "when standard input closes, runs finish their step, snapshot, and the silo ends",
        OfProcess = true)]
    public bool ExitWithParent { get; init; }

    /// <summary>Address of HTTP.</summary>
    [Setting("--http-host", "ADDRESS", "127.0.0.1",
        "IP address of HTTP; beyond loopback all but the probes asks for a certificate or a token")]
    public string HttpHost { get; init; } = "127.0.0.1";

    /// <summary>PEM file of the silo's certificate.</summary>
    [Setting("--tls-certificate", "FILE", "none: plain",
        "PEM file: this silo's certificate, for server and client use, then those between it and `--tls-ca`; read again when it changes")]
    public string? TlsCertificate { get; init; }

    /// <summary>PEM file of its key.</summary>
    [Setting("--tls-key", "FILE", "none: plain", "PEM file: the key of `--tls-certificate`, without a passphrase")]
    public string? TlsKey { get; init; }

    /// <summary>PEM file of the authorities.</summary>
    [Setting("--tls-ca", "FILE", "none: plain", "PEM file: the authorities whose certificates are accepted, and no others")]
    public string? TlsAuthorities { get; init; }

    /// <summary>DNS name in every silo's certificate.</summary>
    [Setting("--tls-name", "NAME", "peft-silo", "DNS name that makes a certificate a silo's; every silo's must have it, no client's")]
    public string TlsName { get; init; } = "peft-silo";

    /// <summary>File with hashes of tokens.</summary>
    [Setting("--token-file", "FILE", "none", "tokens of clients and scrapers, a line each: `operator` or `read-only`, sha256 of the token")]
    public string? TokenFile { get; init; }

    /// <summary>Whether plain connections beyond loopback are wanted.</summary>
    [Setting("--insecure", "", "off", "speak plainly beyond loopback: whoever reaches the ports commands the cluster")]
    public bool Insecure { get; init; }

    /// <summary>Whether the Orleans dashboard is served.</summary>
    [Setting("--dashboard", "", "off", "serve the Orleans dashboard at `/dashboard`, to whom `/metrics` is served")]
    public bool Dashboard { get; init; }

    /// <summary>Memory for weights and activations, bytes.</summary>
    public long MemoryBytes => MemoryMebibytes > 0 ? (long)MemoryMebibytes << 20 : GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;

    /// <summary>Whether layers may be seated here.</summary>
    public bool TakesSeats => Seats == AnySeats;

    /// <summary>Peak of the device, FLOP/s; 0: not known.</summary>
    public double PeakFlops => PeakGigaflops * 1e9;

    /// <summary>Every setting with the property that holds it.</summary>
    internal static IReadOnlyList<(PropertyInfo Property, SettingAttribute Setting)> All { get; } =
        [.. from property in typeof(SiloSettings).GetProperties()
            let setting = property.GetCustomAttribute<SettingAttribute>()
            where setting is not null
            select (property, setting)];

    /// <summary>What <c>--help</c> prints.</summary>
    internal static string Help => "peft-silo: a silo of a Peft.Orleans cluster\n\n"
        + $"  {SiloArguments.Check,-26} alone: say what libtorch has on this machine, and end\n"
        + string.Join('\n', All.Select(static item => Line(item.Setting)))
        + "\n\nEach with a value may also be given as an environment variable: PEFT_SILO_GATEWAY_PORT for --gateway-port.";

    private static string Line(SettingAttribute setting) =>
        $"  {$"{setting.Option} {setting.Value}",-26} {setting.Meaning} (default: {setting.Otherwise})".Replace("`", "");

    /// <summary>Reads the command line and decides what it leaves open, except the name.</summary>
    /// <exception cref="PeftException">Unknown or malformed option; what to write instead.</exception>
    internal static SiloSettings Read(string[] args)
    {
        var given = StoreSettings.Read(SettingReader.Read(args, Environment.GetEnvironmentVariable), Environment.GetEnvironmentVariable);
        var run = given.JoinedRun is { } joined ? Path.TrimEndingDirectorySeparator(Path.GetFullPath(joined)) : null;
        var folder = given.ClusterFolder.Length > 0 ? given.ClusterFolder
            : run is not null ? new RunFolder(run).Cluster
            : given.Store != StoreKind.Sqlite ? ""
            : throw new PeftException($"give {SiloArguments.ClusterFolder} FOLDER, or {SiloArguments.Join} RUN_FOLDER to join a local run");
        if (run is not null && given.Store != StoreKind.Sqlite)
        {
            throw new PeftException(
                $"{SiloArguments.Join} {given.JoinedRun}: a local run keeps its state in SQLite; leave {StoreSettings.Option} out");
        }

        if (run is not null && !Directory.Exists(folder))
            throw new PeftException($"{folder} does not exist: {given.JoinedRun} is no folder of a local run");
        if (given.Seats is not (AnySeats or "none")) throw new PeftException($"--seats {given.Seats}: expected any or none");
        if (!IPAddress.TryParse(given.Host, out _)) throw new PeftException($"--host {given.Host}: expected an IP address of this machine");
        if (!IPAddress.TryParse(given.HttpHost, out _))
            throw new PeftException($"--http-host {given.HttpHost}: expected an IP address of this machine");
        if (given.Name is { } name && !name.All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-'))
            throw new PeftException($"{SiloArguments.Name} {name}: expected letters, digits, '.', '_' and '-'");
        if (given.OtlpEndpoint.Length > 0 && !IsHttp(given.OtlpEndpoint))
            throw new PeftException($"--otlp-endpoint {given.OtlpEndpoint}: expected an http or https URL, as http://collector:4317");
        var threads = run is null ? given.Threads : ThreadsOf(run, given.Threads);
        return given with
        {
            ClusterFolder = folder.Length > 0 ? Path.GetFullPath(folder) : "",
            JoinedRun = run,
            Threads = threads > 0 ? threads : Environment.ProcessorCount,
            SiloPort = FreePort.Find("--silo-port", given.SiloPort, IPAddress.Parse(given.Host)),
            GatewayPort = FreePort.Find("--gateway-port", given.GatewayPort, IPAddress.Parse(given.Host)),
            HttpPort = FreePort.Find("--http-port", given.HttpPort, IPAddress.Parse(given.Host)),
        };
    }

    private static bool IsHttp(string text) => Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is ("http" or "https");

    /// <summary>
    /// The threads a run was created for: with another number its sums would be other bits, and it would refuse the silo.
    /// </summary>
    private static int ThreadsOf(string run, int given)
    {
        var path = new RunFolder(run).RunFile;
        if (!File.Exists(path) || RunFile.Load(path).Compute.ThreadsPerSilo is not { } recorded) return given;
        return given == 0 || given == recorded
            ? recorded
            : throw new PeftException(
                $"{SiloArguments.Threads} {given}: the run was created for {recorded} threads per silo ({path}); leave "
                    + $"{SiloArguments.Threads} out"
            );
    }
}
