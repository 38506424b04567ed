using System.Text;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Core.Tests.Metrics;

/// <summary>docs/metrics.md, written from the catalogue.</summary>
internal static class MetricsPage
{
    private static readonly int RunAlone = SeriesCount.OfRun(0, 0);
    private static readonly int RunPerLayer = SeriesCount.OfRun(1, 0) - RunAlone;
    private static readonly int RunPerSilo = SeriesCount.OfRun(0, 1) - RunAlone;
    private static readonly int SiloAlone = SeriesCount.OfSilo(0, 0);
    private static readonly int SiloPerSilo = SeriesCount.OfSilo(1, 0) - SiloAlone;
    private static readonly int SiloPerRun = SeriesCount.OfSilo(0, 1) - SiloAlone;

    internal static string Write()
    {
        var page = new StringBuilder($"""
            # Metrics and traces

            Every silo answers `GET /metrics` in Prometheus' format; its address is `metricsUrl` in `FOLDER/silos/NAME.json`, and
            `peft-client get silos` shows it. The tables are written from `src/Core/Metrics`, and a test compares them:

                PEFT_WRITE_DOCS=1 dotnet test tests/Core.Tests --filter MetricsPage

            - A figure of a **run** (label `run`) comes from the silo that coordinates it, and from no other: where coordinators move,
              `max by (run)` is right for gauges, `sum by (run) (rate(…))` for counters. One minute after a run has ended (`FiguresKept` in
              [reliability.md](reliability.md#waits)) all its series end; those of a coordinator that moved end at once on the silo it left.
            - A figure of a **silo** (label `silo`) ends with its process.
            - Counters begin at 0, with every value of a label whose values are known: `increase()` sees the first event.
            - *Where it applies*: there only with a method, setting or plan that has it.
            - Nothing is exported by step or microbatch. A run of a model with L blocks on N silos has at most {RunAlone} +
              {RunPerLayer} (L + 2) + {Times(RunPerSilo)}N series, buckets and `_created` included; a silo of a cluster that has or had N, and trains
              R runs, {SiloAlone} + {Times(SiloPerSilo)}N + {Times(SiloPerRun)}R. Values beyond a label's bound are left out.
            - Exemplars are off. The share of time that loading data takes is
              `sum by (run) (rate(peft_step_phase_seconds_total[5m]))` of `phase="data"` over that of all phases.


            """.ReplaceLineEndings("\n"));
        foreach (var (area, metrics) in MetricCatalogue.Areas)
        {
            page.Append($"## {area}\n\n| metric | kind | labels | what it says | bad |\n|---|---|---|---|---|\n");
            foreach (var metric in metrics)
            {
                var labels = string.Join(", ", metric.Labels.Select(static label => $"`{label}`"));
                var applies = metric.Optional ? "; *where it applies*" : "";
                page.Append($"| `{metric.Prometheus}` | {metric.Kind.ToString().ToLowerInvariant()} | {labels} ");
                page.Append($"| {Cell(metric.Meaning)}{applies} ");
                page.Append($"| {Cell(metric.Bad)} |\n");
            }

            page.Append('\n');
        }

        page.Append("## Labels\n\n| label | of | values | at most |\n|---|---|---|---|\n");
        foreach (var group in Labels().GroupBy(static pair => pair.Label))
        {
            var label = group.Key;
            var of = string.Join(", ", group.Select(static pair => $"`{pair.Metric.Prometheus}`").Distinct());
            if (label == MetricLabel.Run || label == MetricLabel.Silo) of = $"all figures of a {label.Name}";
            var values = label.Values.Count == 0 ? "" : $": {string.Join(", ", label.Values.Select(static value => $"`{value}`"))}";
            page.Append($"| `{label.Name}` | {of} | {label.Meaning}{values} | {label.Most} |\n");
        }

        page.Append("""

            ## Orleans and .NET

            The meters `Microsoft.Orleans` and `System.Runtime` are exported too. Of Orleans': `orleans_storage_read_latency_milliseconds`
            and `orleans_storage_write_latency_milliseconds` (grain state: coordinators' durable records), from the first error on
            `orleans_storage_read_errors_total` and `orleans_storage_write_errors_total`, then `orleans_messaging_…`,
            `orleans_app_requests_…`, `orleans_grains_…`. Of .NET's: `dotnet_gc_…`, `dotnet_thread_pool_…`, `dotnet_process_…`.

            ## Traces

            With `--otlp-endpoint URL` ([silo.md](silo.md)), or OpenTelemetry's own `OTEL_EXPORTER_OTLP_ENDPOINT`, silos send traces by
            OTLP (gRPC; HTTP where `OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf`). Without, none are made. The source is `Peft.Orleans`:

            | span | what it covers |
            |---|---|
            | `run` | a run while a silo coordinates it: `peft.run`, and `peft.state` at its end |
            | `term` | a term, within `run`: `peft.term`, `peft.silos`, `peft.recovering`, and how it ended |
            | `step` | a step, a trace of its own with a link to its term: `peft.run`, `peft.term`, `peft.step`, from its first microbatch until its line is written |
            | `gradients`, `reduce`, `prepare`, `apply`, `protect`, `report` | the phases of a step, within `step`; those that go to a silo have `peft.silo` |
            | `fence`, `plan`, `start`, `initialize` | what a term does before its first step, within `term` |

            A share of the steps is sampled, `--trace-percent` (1 by default); runs and terms always are. `--trace-orleans` adds the calls
            between grains (`Microsoft.Orleans.{Application,Runtime,Lifecycle,Storage}`), within the phases that make them.

            """.ReplaceLineEndings("\n"));
        return page.ToString();
    }

    private static string Times(int factor) => factor == 1 ? "" : $"{factor} ";

    private static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal);

    private static IEnumerable<(MetricLabel Label, Metric Metric)> Labels() => MetricCatalogue.All
        .SelectMany(static metric => new[] { metric.Owner == MetricOwner.Run ? MetricLabel.Run : MetricLabel.Silo, metric.Label }
            .OfType<MetricLabel>()
            .Select(label => (label, metric)));
}
