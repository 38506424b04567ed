using Peft.Orleans.Core.Cluster;

namespace Peft.Orleans.Silo.Health;

/// <summary>How a silo tells that it lives, and how it ends.</summary>
internal static class HealthExtensions
{
    internal static IServiceCollection AddSiloHealth(this IServiceCollection services) => services
        .Configure<HostOptions>(static options => options.ShutdownTimeout = ClusterTimes.Current.Shutdown)
        .AddSingleton<Departing>()
        .AddSingleton<IHostLifetime>(static services => services.GetRequiredService<Departing>())
        .AddSingleton<Probes>();
}
