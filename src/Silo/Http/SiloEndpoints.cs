namespace Peft.Orleans.Silo.Http;

/// <summary>All that a silo answers over HTTP, mapped in one place so that what may be asked by whom is decided in one.</summary>
internal static class SiloEndpoints
{
    internal static void Map(WebApplication app)
    {
        Probes(app.MapGroup("/health"));
        Watching(app.MapGroup(""));
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
    }
}
