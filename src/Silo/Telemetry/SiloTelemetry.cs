using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Grains.Agents;
using Peft.Orleans.Grains.Figures;
using Peft.Orleans.Grains.Membership;
using Peft.Orleans.Grains.Terms;
using Peft.Orleans.Kernels.Torch;

namespace Peft.Orleans.Silo.Telemetry;

/// <summary>Figures for Prometheus, and traces where they are asked for: all that a silo tells of itself to machines.</summary>
internal static class SiloTelemetry
{
    private static readonly string[] OrleansSources = ["Application", "Runtime", "Lifecycle", "Storage"];

    private const string EndpointVariable = "OTEL_EXPORTER_OTLP_ENDPOINT";

    /// <summary>Adds them to a silo's services.</summary>
    internal static void Add(IServiceCollection services, SiloSettings settings)
    {
        services
            .AddSingleton(provider => new FigureBoard(settings.Name!, provider.GetRequiredService<TimeProvider>()))
            .AddSingleton(static provider => new DataPlaneInstruments(provider.GetRequiredService<FigureBoard>().Silo))
            .AddSingleton<Onlookers>()
            .AddSingleton<DeviceInstruments>()
            .AddSingleton<MembershipInstruments>();
        var telemetry = services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService("peft-silo", serviceInstanceId: settings.Name))
            .WithMetrics(static metrics => metrics
                .AddMeter(MetricCatalogue.Meter, "Microsoft.Orleans", "System.Runtime")
                .SetExemplarFilter(ExemplarFilterType.AlwaysOff)
                .AddPrometheusExporter());
        if (!Traces(settings)) return;
        telemetry.WithTracing(traces =>
        {
            traces.AddSource(MetricCatalogue.Meter).SetSampler(new StepSampler(settings.TracePercent / 100.0));
            if (settings.TraceOrleans)
            {
                traces.AddSource([.. OrleansSources.Select(static source => $"Microsoft.Orleans.{source}")]);
            }

            traces.AddOtlpExporter(exporter =>
            {
                if (settings.OtlpEndpoint.Length == 0) return;
                // As OpenTelemetry does with its variable: over HTTP each signal has a path of its own.
                var path = exporter.Protocol == OtlpExportProtocol.HttpProtobuf ? "/v1/traces" : "";
                exporter.Endpoint = new Uri(settings.OtlpEndpoint.TrimEnd('/') + path);
            });
        });
    }

    /// <summary>Begins to look, once the silo's services are there.</summary>
    internal static void Begin(IServiceProvider services, SiloSettings settings)
    {
        if (settings.ClusterFolder.Length > 0)
        {
            var folder = Directory.CreateDirectory(SiloRegistration.FolderOf(settings.ClusterFolder));
            MemoryRefusals.CountIn(Path.Combine(folder.FullName, $"{settings.Name}.memory-refused"));
        }

        _ = services.GetRequiredService<DeviceInstruments>();
        _ = services.GetRequiredService<MembershipInstruments>();
    }

    /// <summary>Whether calls between grains carry the trace they belong to.</summary>
    internal static bool TracesOrleans(SiloSettings settings) => settings.TraceOrleans && Traces(settings);

    private static bool Traces(SiloSettings settings) =>
        settings.OtlpEndpoint.Length > 0 || Environment.GetEnvironmentVariable(EndpointVariable) is { Length: > 0 };
}
