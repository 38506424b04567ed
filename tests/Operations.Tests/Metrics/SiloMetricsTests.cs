using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Metrics;

/// <summary>What real silos say of themselves and of a run to Prometheus, and of its steps by OTLP.</summary>
public sealed class SiloMetricsTests
{
    private const string Run = "metered";
    private static readonly string[] Silos = ["a", "b"];
    private static readonly string[] Phases = ["gradients", "prepare", "apply", "report"];

    [Fact]
    public async Task Figures_are_those_of_the_catalogue_and_end_with_the_run_and_every_step_is_a_trace()
    {
        using var workspace = new Workspace();
        using var receiver = new OtlpReceiver();
        var cluster = Directory.CreateDirectory(Path.Combine(workspace.Folder, "cluster")).FullName;
        Dictionary<string, string> environment = new()
        {
            ["PEFT_TIME_FIGURES_KEPT"] = "2",
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = receiver.Url,
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
            ["PEFT_SILO_TRACE_PERCENT"] = "100",
            ["PEFT_SILO_PEAK_GFLOPS"] = "50",
        };
        var (first, gateway) = await RemoteClusterSilo.Start(cluster, "a", workspace.Folder, environment);
        using (first)
        {
            var (second, _) = await RemoteClusterSilo.Start(cluster, "b", workspace.Folder, environment);
            using (second)
            {
                var file = EmbeddedModel.RunFile(workspace, extra: "elastic: { min_silos: 2 }");
                using var run = EndlessRun.Start(file, Run, "--cluster", gateway);
                await run.Reached(8);
                var scrapes = await Task.WhenAll(Silos.Select(silo => Scrape.Of(cluster, silo)));
                TheCatalogueIsThere(scrapes);
                Bounded(scrapes);
                Told(scrapes.Single(Coordinates), run.Lines().Length);
                await run.Stop("--cluster", gateway);
                await Patience.Until(() => Silos.All(silo => !Scrape.Of(cluster, silo).Result.OfRun(Run).Any()));
                var after = await Task.WhenAll(Silos.Select(silo => Scrape.Of(cluster, silo)));
                Assert.Equal(1, after.Sum(static scrape => scrape.Value("peft_runs_ended_total", "outcome", "stopped")));
                Assert.Equal(0, after.Sum(static scrape => scrape.Value("peft_runs")));
                await TracesArrive(receiver, run.Lines().Length);
            }
        }
    }

    /// <summary>Every metric that is always there, nothing that is not in the catalogue, and no label but those it says.</summary>
    private static void TheCatalogueIsThere(Scrape[] scrapes)
    {
        foreach (var metric in MetricCatalogue.All)
        {
            var found = scrapes.Where(scrape => scrape.Own.Any(series => Is(series, metric))).ToArray();
            if (!metric.Optional && metric.Kind != MetricKind.Histogram)
                Assert.True(found.Length == (metric.Owner == MetricOwner.Run ? 1 : 2), $"{metric.Prometheus} is on {found.Length} silos");
        }

        foreach (var series in scrapes.SelectMany(static scrape => scrape.Own))
        {
            var metric = MetricCatalogue.All.SingleOrDefault(metric => Is(series, metric));
            Assert.True(metric is not null, series.Name);
            Assert.Equal(
                metric.Labels.Order(StringComparer.Ordinal),
                series.Labels.Keys.Except(["otel_scope_name", "le"]).Order(StringComparer.Ordinal));
        }

        foreach (var scrape in scrapes)
        {
            Assert.Contains("\norleans_messaging", scrape.Text, StringComparison.Ordinal);
            Assert.Contains("\ndotnet_gc_", scrape.Text, StringComparison.Ordinal);
            // An exemplar would stand behind a value.
            Assert.DoesNotContain(" # {", scrape.Text, StringComparison.Ordinal);
        }
    }

    private static void Bounded(Scrape[] scrapes)
    {
        var layers = scrapes.Single(Coordinates).Own.Count(static series => series.Name == "peft_layer_gradient_norm") + 2;
        foreach (var scrape in scrapes)
        {
            var runs = scrape.Own.Count(static series => MetricCatalogue.All.First(metric => Is(series, metric)).Owner == MetricOwner.Run);
            Assert.InRange(runs, 0, SeriesCount.OfRun(layers, Silos.Length));
            Assert.InRange(scrape.Own.Count() - runs, 1, SeriesCount.OfSilo(Silos.Length, runs: 1));
        }
    }

    private static void Told(Scrape scrape, int steps)
    {
        Assert.Equal(1, scrape.Value("peft_run_state", "state", "running"));
        Assert.Equal(0, scrape.Value("peft_run_state", "state", "failed"));
        Assert.InRange(scrape.Value("peft_step"), 8, steps);
        Assert.InRange(scrape.Value("peft_loss"), 0.1, 20);
        Assert.Equal(2, scrape.Value("peft_silos"));
        Assert.Equal(2, scrape.Value("peft_cluster_silos", "state", "active"));
        foreach (var nothing in (string[])["peft_steps_lost_total", "peft_samples_dropped_total", "peft_samples_repeated_total"])
            Assert.Equal(0, scrape.Value(nothing));
        Assert.InRange(scrape.Value("peft_mfu_ratio"), 1e-9, 1);
        Assert.All(scrape.Own.Where(static series => series.Name == "peft_lambda"), static series => Assert.InRange(series.Value, 0, 1));
        var phases = scrape.Own.Where(static series => series.Name == "peft_step_phase_seconds_total").ToDictionary(
            static series => series.Labels["phase"], static series => series.Value);
        Assert.All((string[])["data", "forward", "backward", "commit"], phase => Assert.True(phases[phase] > 0, phase));
        Assert.True(scrape.Value("peft_run_folder_free_bytes") < scrape.Value("peft_run_folder_size_bytes"));
    }

    private static async Task TracesArrive(OtlpReceiver receiver, int steps)
    {
        await Patience.Until(() => receiver.Named("run").Any() && receiver.Named("step").Count() >= steps);
        var run = Assert.Single(receiver.Named("run"));
        Assert.Contains("peft.state", run.Tags);
        var terms = receiver.Named("term").ToDictionary(static term => term.Id);
        Assert.All(terms.Values, term => Assert.Equal((run.Trace, run.Id), (term.Trace, term.Parent)));
        Assert.Contains(receiver.Named("fence"), fence => terms.ContainsKey(fence.Parent));
        var made = receiver.Named("step").ToArray();
        Assert.Equal(made.Length, made.Select(static step => step.Trace).Distinct().Count());
        var spans = receiver.Spans.ToLookup(static span => span.Parent);
        foreach (var step in made)
        {
            Assert.Empty(step.Parent);
            Assert.Contains(Assert.Single(step.Links), terms.Keys);
            Assert.All((string[])["peft.run", "peft.term", "peft.step"], tag => Assert.Contains(tag, step.Tags));
            Assert.All(spans[step.Id], span => Assert.Equal(step.Trace, span.Trace));
        }

        Assert.True(made.Count(step => Phases.All(phase => spans[step.Id].Any(span => span.Name == phase))) >= steps - 1);
        Assert.DoesNotContain(receiver.Spans, static span => span.Tags.Any(static tag => tag.StartsWith("rpc.", StringComparison.Ordinal)));
    }

    private static bool Coordinates(Scrape scrape) => scrape.Value("peft_runs") == 1;

    private static bool Is(Series series, Metric metric) => metric.Kind == MetricKind.Histogram
        ? series.Name.StartsWith(metric.Prometheus + "_", StringComparison.Ordinal)
            && series.Name[(metric.Prometheus.Length + 1)..] is ("bucket" or "sum" or "count" or "created")
        : series.Name == metric.Prometheus
            || (metric.Kind == MetricKind.Counter
                && series.Name == metric.Prometheus.Replace("_total", "_created", StringComparison.Ordinal));
}
