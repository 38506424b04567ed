using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Prometheus;

/// <summary>Silos started by hand in a folder of their own, killed and started again by name, and the runs they are given.</summary>
internal sealed class SiloCluster : IDisposable
{
    private readonly Workspace workspace = new();
    private readonly Dictionary<string, RemoteClusterSilo> silos = [];
    private readonly List<EndlessRun> runs = [];

    internal SiloCluster() => Directory.CreateDirectory(Folder);

    /// <summary>The cluster's folder.</summary>
    internal string Folder => Path.Combine(workspace.Folder, "cluster");

    /// <summary>Where a client finds it: the gateway of a living silo.</summary>
    private string Gateway => SiloRegistration.ReadAll(Folder).First(silo => !silos[silo.Name].Ended.IsCompleted).Gateway.ToString();

    /// <summary>Starts a silo and waits until it accepts clients.</summary>
    internal async Task Start(string name, params string[] more)
    {
        SiloRegistration.Remove(Folder, name);
        var log = Path.Combine(Folder, name + ".log");
        var silo = RemoteClusterSilo.Start(
            log, workspace.Folder, ["--cluster-folder", Folder, "--name", name, "--threads", "1", .. more]);
        if (silos.TryGetValue(name, out var former)) former.Dispose();
        silos[name] = silo;
        await Patience.Until(() => SiloRegistration.Read(Folder, name) is not null || silo.Ended.IsCompleted);
        Assert.True(SiloRegistration.Read(Folder, name) is not null, await File.ReadAllTextAsync(log));
    }

    /// <summary>Process of a silo.</summary>
    internal int Pid(string name) => silos[name].Pid;

    /// <summary>Until a silo has ended by itself.</summary>
    internal Task Ended(string name) => silos[name].Ended.WaitAsync(Patience.Limit);

    /// <summary>Kills a silo.</summary>
    internal Task Kill(string name)
    {
        silos[name].Kill();
        return Ended(name);
    }

    /// <summary>Starts a run of the embedded model that ends when it is stopped.</summary>
    internal EndlessRun Run(string id, string method, params string[] settings)
    {
        var run = EndlessRun.Start(RunFile(id, method), id, ["--cluster", Gateway, .. Set(settings)]);
        runs.Add(run);
        return run;
    }

    /// <summary>Makes a run of a few steps; returns how it ended.</summary>
    internal Task<PeftClient.Outcome> Complete(string id, string method, params string[] settings) =>
        PeftClient.Run(["start-run", "-f", RunFile(id, method), "--run-id", id, "--cluster", Gateway, "-o", "json", .. Set(settings)]);

    public void Dispose()
    {
        foreach (var run in runs) run.Dispose();
        foreach (var silo in silos.Values) silo.Dispose();
        workspace.Dispose();
    }

    private static IEnumerable<string> Set(string[] settings) => settings.SelectMany(static setting => (string[])["--set", setting]);

    private string RunFile(string id, string method)
    {
        var file = Path.Combine(workspace.Folder, id + ".yaml");
        File.Move(EmbeddedModel.RunFile(workspace, method), file);
        return file;
    }
}
