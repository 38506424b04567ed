using System.Text.Json;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Page;

/// <summary>Tests of one run and one browser, one after the other.</summary>
[CollectionDefinition(Name)]
public sealed class WatchedRunTests : ICollectionFixture<WatchedRun>
{
    internal const string Name = "watched run";
}

/// <summary>A run of three silos under way, and a browser that watches it; for all tests of the page.</summary>
public sealed class WatchedRun : IDisposable
{
    private readonly List<RemoteClusterSilo> added = [];
    private readonly Lazy<ElasticRun> elastic = new(static () => ElasticRun.Start(silos: 3, replicas: "1"));
    private Browser? browser;

    /// <summary>The browser; skips the test where there is none.</summary>
    internal Browser Browser => browser ??= Browser.Start();

    internal EndlessRun Run => elastic.Value.Run;

    /// <summary>Silos that live, by name, with the addresses of their pages.</summary>
    internal IReadOnlyList<(string Name, Uri Page)> Living() =>
        [.. Directory.EnumerateFiles(Path.Combine(Run.Folder, "cluster", "silos"), "*.json")
            .Order(StringComparer.Ordinal)
            .Select(static file => JsonDocument.Parse(File.ReadAllText(file)).RootElement)
            .Where(static silo => Directory.Exists($"/proc/{silo.GetProperty("pid").GetInt32()}"))
            .Select(static silo => (
                silo.GetProperty("name").GetString()!, new Uri(new Uri(silo.GetProperty("metricsUrl").GetString()!), ".")))];

    /// <summary>Opens the page of the first silo that lives, once the run has made some steps.</summary>
    internal async Task<(string Name, Uri Page)> Open()
    {
        await Run.Reached(5);
        var silo = Living()[0];
        await Browser.Open(silo.Page.AbsoluteUri);
        await Browser.Dress(1600, 1000, "light");
        await Browser.Until($"document.getElementById('connection').textContent === 'live from {silo.Name}'");
        return silo;
    }

    /// <summary>SIGKILL.</summary>
    internal void Kill(string silo) => elastic.Value.Signal(silo, "KILL").Dispose();

    /// <summary>Starts a silo again under its name.</summary>
    internal void StartAgain(string silo) => added.Add(RemoteClusterSilo.Start(
        Path.Combine(Run.Folder, "logs", silo + "-again.log"), Run.Folder, "--join", Run.Folder, "--name", silo));

    public void Dispose()
    {
        if (elastic.IsValueCreated) elastic.Value.Dispose();
        added.ForEach(static silo => silo.Dispose());
        browser?.Dispose();
    }
}
