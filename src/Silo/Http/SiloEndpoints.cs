using Orleans.Dashboard;
using Peft.Orleans.Silo.Health;
using Peft.Orleans.Silo.Security;

namespace Peft.Orleans.Silo.Http;

/// <summary>All that a silo answers over HTTP, mapped in one place so that what may be asked by whom is decided in one.</summary>
internal static class SiloEndpoints
{
    /// <summary>Maps it all.</summary>
    /// <param name="app">The silo.</param>
    /// <param name="access">Who is answered.</param>
    /// <param name="dashboard">Whether there is the Orleans dashboard.</param>
    internal static void Map(WebApplication app, HttpAccess access, bool dashboard)
    {
        access.RefuseForeignNames(app);
        Probes(app.MapGroup("/health"), app.Services.GetRequiredService<Probes>());
        var watching = app.MapGroup("");
        access.Close(watching);
        Watching(watching);
        if (dashboard) access.Close(app.MapOrleansDashboard("/dashboard"));
    }

    /// <summary>For whatever keeps the process alive: asked without any right, and answered without any news of the cluster.</summary>
    private static void Probes(RouteGroupBuilder group, Probes probes)
    {
        Probe(group, "/startup", "started", () => probes.NotStarted);
        Probe(group, "/ready", "ready", () => probes.NotReady);
        Probe(group, "/live", "live", () => probes.NotAlive);
    }

    private static void Probe(RouteGroupBuilder group, string path, string yes, Func<string?> no) =>
        group.MapGet(path, () => no() is { } reason ? Results.Text(reason, statusCode: 503) : Results.Text(yes));

    /// <summary>For who watches the cluster; one right for all of it.</summary>
    private static void Watching(RouteGroupBuilder group)
    {
        group.MapPrometheusScrapingEndpoint("/metrics");
        ClusterApi.Map(group);
        PageFiles.Map(group);
    }
}
