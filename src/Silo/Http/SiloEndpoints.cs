using Orleans.Dashboard;
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
        Probes(app.MapGroup("/health"));
        var watching = app.MapGroup("");
        access.Close(watching);
        Watching(watching);
        if (dashboard) access.Close(app.MapOrleansDashboard("/dashboard"));
    }

    /// <summary>For whatever keeps the process alive: asked without any right, and answered without any news of the cluster.</summary>
    private static void Probes(RouteGroupBuilder group)
    {
        group.MapGet("/live", static () => "live");
        group.MapGet("/ready", static () => "ready");
    }

    /// <summary>For who watches the cluster; one right for all of it.</summary>
    private static void Watching(RouteGroupBuilder group)
    {
        group.MapPrometheusScrapingEndpoint("/metrics");
        ClusterApi.Map(group);
        PageFiles.Map(group);
    }
}
