using System.Globalization;
using System.Text.Json;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Security;

/// <summary>Two silos with certificates and a file of tokens, and clients of every kind.</summary>
public sealed class TlsCluster : IAsyncLifetime
{
    // Tokens of the file.
    internal const string OperatorToken = "operator-2f1c8a54d1";
    internal const string ReadOnlyToken = "read-only-99b1c20af7";

    private readonly Workspace workspace = new();
    private readonly List<RemoteClusterSilo> silos = [];

    internal TestAuthority Authority { get; } = new();

    internal TestAuthority Stranger { get; } = new("another authority");

    internal Workspace Workspace => workspace;

    internal string ClusterFolder { get; private set; } = "";

    internal CertificateFolder SiloFiles { get; private set; } = null!;

    internal string Gateway { get; private set; } = "";

    /// <summary>Where the first silo receives tensors.</summary>
    internal int DataPort { get; } = Random.Shared.Next(10_240, 32_768);

    internal string Log(int silo) => Path.Combine(ClusterFolder, $"silo-{silo}.log");

    internal JsonElement Registration(int silo)
    {
        using var document = JsonDocument.Parse(File.ReadAllText(Path.Combine(ClusterFolder, "silos", $"silo-{silo}.json")));
        return document.RootElement.Clone();
    }

    /// <summary>Files of a client whose certificate has an organizational unit.</summary>
    internal CertificateFolder Client(string? unit) => Files((unit ?? "none") + "-client", Authority.Client(unit));

    internal CertificateFolder Files(string name, (string Certificate, string Key) given, TestAuthority? trusted = null)
    {
        var folder = Path.Combine(workspace.Folder, name);
        return new CertificateFolder(
            Directory.Exists(folder) ? Directory.CreateTempSubdirectory("peft-pem").FullName : folder, given, (trusted ?? Authority).Pem);
    }

    /// <summary>A client's command against the cluster.</summary>
    internal Task<PeftClient.Outcome> Ask(CertificateFolder? files, params string[] arguments) =>
        PeftClient.Run([.. arguments, "--cluster", Gateway, .. files?.Options ?? []]);

    internal async Task<RemoteClusterSilo> Start(int number, CertificateFolder files, params string[] more)
    {
        var silo = RemoteClusterSilo.Start(
            Log(number),
            workspace.Folder,
            [
                "--cluster-folder", ClusterFolder, "--name", $"silo-{number}", "--threads", "1", .. files.Options,
                "--token-file", Path.Combine(workspace.Folder, "tokens"), .. more,
            ]);
        silos.Add(silo);
        await Patience.Until(() => silo.HasEnded || File.Exists(Path.Combine(ClusterFolder, "silos", $"silo-{number}.json")));
        return silo;
    }

    /// <summary>Starts a silo that is a cluster of its own.</summary>
    internal async Task<(RemoteClusterSilo Silo, string Gateway, string Log)> StartAlone(CertificateFolder files, params string[] more)
    {
        var folder = Path.Combine(workspace.Folder, string.Create(CultureInfo.InvariantCulture, $"alone-{silos.Count}"));
        Directory.CreateDirectory(folder);
        var log = Path.Combine(folder, "silo.log");
        var silo = RemoteClusterSilo.Start(
            log, workspace.Folder, ["--cluster-folder", folder, "--name", "alone", "--threads", "1", .. files.Options, .. more]);
        silos.Add(silo);
        var registration = Path.Combine(folder, "silos", "alone.json");
        await Patience.Until(() => silo.HasEnded || File.Exists(registration));
        Assert.False(silo.HasEnded, await File.ReadAllTextAsync(log, Patience.Token));
        using var document = JsonDocument.Parse(await File.ReadAllTextAsync(registration, Patience.Token));
        return (silo, $"127.0.0.1:{document.RootElement.GetProperty("gatewayPort").GetRawText()}", log);
    }

    public async ValueTask InitializeAsync()
    {
        ClusterFolder = Path.Combine(workspace.Folder, "cluster");
        Directory.CreateDirectory(ClusterFolder);
        workspace.Write("tokens", $"# by their hashes\noperator {Hash(OperatorToken)} ci\nread-only {Hash(ReadOnlyToken)} prometheus\n");
        SiloFiles = Files("silo", Authority.Silo());
        var started = await Task.WhenAll(
            Start(0, SiloFiles, "--data-port", string.Create(CultureInfo.InvariantCulture, $"{DataPort}")), Start(1, SiloFiles));
        for (var silo = 0; silo < started.Length; silo++)
            Assert.False(started[silo].HasEnded, await File.ReadAllTextAsync(Log(silo), TestContext.Current.CancellationToken));
        Gateway = $"127.0.0.1:{Registration(0).GetProperty("gatewayPort").GetInt32()}";
    }

    public ValueTask DisposeAsync()
    {
        silos.ForEach(static silo => silo.Dispose());
        Authority.Dispose();
        Stranger.Dispose();
        workspace.Dispose();
        return ValueTask.CompletedTask;
    }

    internal static string Hash(string token) =>
        Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(token)));
}

/// <summary>Tests that share the silos.</summary>
[CollectionDefinition(nameof(TlsCluster))]
public sealed class TlsClusterCollection : ICollectionFixture<TlsCluster>;
