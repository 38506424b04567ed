using System.Diagnostics;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>Two silos started by hand, in a working folder of their own.</summary>
public sealed class RemoteCluster : IAsyncLifetime
{
    /// <summary>The tests that take turns with it.</summary>
    internal const string Shared = "remote cluster";

    private readonly Workspace workspace = new();
    private readonly List<RemoteClusterSilo> silos = [];

    internal string Address { get; private set; } = "";

    internal string Folder => Path.Combine(workspace.Folder, "cluster");

    /// <summary>Where the silos stand: relative places such as /proc/self/cwd are here for them, elsewhere for a client.</summary>
    internal string SiloFolder => Path.Combine(workspace.Folder, "silos");

    public async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(Folder);
        Directory.CreateDirectory(SiloFolder);
        var addresses = new List<string>();
        foreach (var name in (string[])["silo-0", "silo-1"])
        {
            var (silo, gateway) = await RemoteClusterSilo.Start(Folder, name, SiloFolder);
            silos.Add(silo);
            addresses.Add(gateway);
        }

        Address = string.Join(',', addresses);
    }

    public ValueTask DisposeAsync()
    {
        silos.ForEach(static silo => silo.Dispose());
        workspace.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>A command to it, of a user who stands in the workspace and has an index of runs of their own there.</summary>
    internal Task<PeftClient.Outcome> Run(Workspace user, params string[] arguments) =>
        Run(user.Folder, user.Folder, [.. arguments, "--cluster", Address]);

    /// <summary>A run started by that user.</summary>
    internal Task<PeftClient.Outcome> StartRun(Workspace user, string file, string runId, params string[] more) =>
        Run(user, ["start-run", "-f", file, "--run-id", runId, "-o", "json", .. more]);

    /// <summary>A client of another user, standing in another folder.</summary>
    internal static async Task<PeftClient.Outcome> Run(string workingFolder, string home, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = workingFolder,
        };
        foreach (var argument in (string[])[PeftClient.Program, .. arguments])
            start.ArgumentList.Add(argument);
        start.Environment["PEFT_HOME"] = home;
        start.Environment["NO_COLOR"] = "1";
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync(Patience.Token);
        return new PeftClient.Outcome(process.ExitCode, await output, await errors);
    }
}

/// <summary>One cluster for all tests that name it.</summary>
[CollectionDefinition(RemoteCluster.Shared)]
public sealed class RemoteClusterCollection : ICollectionFixture<RemoteCluster>;
