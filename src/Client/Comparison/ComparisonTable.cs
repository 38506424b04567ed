using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace Peft.Orleans.Client.Comparison;

/// <summary>The table of a comparison: JSON, and of it Markdown and CSV.</summary>
internal static class ComparisonTable
{
    private static readonly (string Key, string Title, Func<MethodResult, RunMeasure, double?> Value)[] Figures =
    [
        ("finalLoss", "training loss", static (_, run) => run.FinalLoss),
        ("validationLoss", "validation loss", static (_, run) => run.ValidationLoss),
        ("exactMatchBefore", "exact match before", static (_, run) => run.Status.EvaluationBefore),
        ("exactMatch", "exact match", static (_, run) => run.Status.EvaluationAfter),
        ("secondsPerStep", "s per step", static (_, run) => run.SecondsPerStep),
        ("secondsPerEpoch", "s per epoch", static (method, run) => run.SecondsPerStep * method.StepsPerEpoch),
        ("tokensPerSecond", "tokens/s", static (_, run) => run.TokensPerSecond),
        ("peakMemoryBytes", "peak memory", static (_, run) => run.PeakMemory),
    ];

    /// <summary>The documented object.</summary>
    public static JsonObject Json(ComparisonResult result) => new()
    {
        ["silos"] = result.Silos,
        ["finished"] = result.Finished,
        ["total"] = result.Total,
        ["methods"] = new JsonArray([.. result.Methods.Select(static method => (JsonNode)Row(method))]),
    };

    /// <summary>For people: a line for each method, then every seed's value.</summary>
    public static string Markdown(ComparisonResult result)
    {
        var text = new StringBuilder();
        var shown = Shown(result).Where(static figure => figure.Key != "exactMatchBefore").ToArray();
        var grid = result.Methods.Any(static method => method.Chosen.Count > 0);
        Line(
            text,
            [
                "method",
                "trainable parameters",
                .. shown.Select(static figure => figure.Title),
                .. grid ? ["chosen"] : Array.Empty<string>(),
            ]
        );
        Line(text, [.. Enumerable.Repeat("---", 2 + shown.Length + (grid ? 1 : 0))]);
        foreach (var method in result.Methods)
        {
            var cells = shown.Select(figure => Cell(figure.Key, Spread.Of(method.Measures.Select(run => figure.Value(method, run)))));
            var values = string.Join(", ", method.Chosen.Select(static item => $"`{item.Key}` {item.Plain}"));
            var trainable = Count(method.Trainable) + (method.ToMatch is { } wanted ? $" (to match {Count(wanted)})" : "");
            Line(text, [method.Method.Label, trainable, .. cells, .. grid ? [values] : Array.Empty<string>()]);
        }

        text.Append("\nEvery seed:\n\n");
        Line(text, ["method", "seed", .. shown.Take(shown.Length).Select(static figure => figure.Title), "run"]);
        Line(text, [.. Enumerable.Repeat("---", 3 + shown.Length)]);
        foreach (var (method, run) in result.Methods.SelectMany(static method => method.Seeds, static (method, run) => (method, run)))
        {
            var cells = shown.Select(figure =>
                run.Measure is { } measure ? Cell(figure.Key, new Spread(figure.Value(method, measure), null)) : "failed"
            );
            Line(text, [method.Method.Label, run.Run.Spec.Seed.ToString(CultureInfo.InvariantCulture), .. cells, $"`{run.Run.Id}`"]);
        }

        text.Append('\n').Append(Notes(result));
        return text.ToString();
    }

    /// <summary>For spreadsheets: a line for each run, then mean and standard deviation of each method.</summary>
    public static string Csv(ComparisonResult result)
    {
        var text = new StringBuilder();
        var columns = Figures.Select(static figure => figure.Key);
        text.AppendJoin(',', (string[])["label", "method", "controlOf", "trainableParameters", "chosen", "seed", .. columns, "runId"])
            .Append('\n');
        foreach (var method in result.Methods)
        {
            var chosen = string.Join("; ", method.Chosen.Select(static item => $"{item.Key}={item.Plain}"));
            string[] head =
            [
                Quote(method.Method.Label),
                method.Method.Name,
                Quote(method.ControlOf ?? ""),
                method.Trainable.ToString(CultureInfo.InvariantCulture),
                Quote(chosen),
            ];
            foreach (var run in method.Seeds)
            {
                var values = Figures.Select(figure => run.Measure is { } measure ? Number(figure.Value(method, measure)) : "");
                text.AppendJoin(',', (string[])[.. head, run.Run.Spec.Seed.ToString(CultureInfo.InvariantCulture), .. values, run.Run.Id])
                    .Append('\n');
            }

            var spreads = Figures.Select(figure => Spread.Of(method.Measures.Select(run => figure.Value(method, run)))).ToArray();
            text.AppendJoin(',', (string[])[.. head, "mean", .. spreads.Select(static spread => Number(spread.Mean)), ""]).Append('\n');
            text.AppendJoin(',', (string[])[.. head, "sd", .. spreads.Select(static spread => Number(spread.Deviation)), ""]).Append('\n');
        }

        return text.ToString();
    }

    private static JsonObject Row(MethodResult method)
    {
        var row = new JsonObject
        {
            ["label"] = method.Method.Label,
            ["method"] = method.Method.Name,
            ["controlOf"] = method.ControlOf,
            ["trainableParameters"] = method.Trainable,
            ["trainableParametersToMatch"] = method.ToMatch,
            ["stepsPerEpoch"] = method.StepsPerEpoch,
            ["chosen"] = Values(method.Chosen),
        };
        foreach (var (key, _, value) in Figures)
        {
            var spread = Spread.Of(method.Measures.Select(run => value(method, run)));
            row[key] = spread.Mean is null ? null : new JsonObject { ["mean"] = Finite(spread.Mean), ["sd"] = Finite(spread.Deviation) };
        }

        row["seeds"] = new JsonArray([.. method.Seeds.Select(run => (JsonNode)Seed(method, run))]);
        row["grid"] = new JsonArray([
            .. method.Grid.Select(static run =>
                (JsonNode)
                    new JsonObject
                    {
                        ["values"] = Values(run.Run.Chosen),
                        ["runId"] = run.Run.Id,
                        ["validationLoss"] = Finite(run.Measure?.ValidationLoss),
                        ["failure"] = run.Failure,
                    }
            ),
        ]);
        return row;
    }

    private static JsonObject Seed(MethodResult method, MeasuredRun run)
    {
        var seed = new JsonObject
        {
            ["seed"] = run.Run.Spec.Seed,
            ["runId"] = run.Run.Id,
            ["status"] = run.Measure is null ? "failed" : "completed",
            ["failure"] = run.Failure,
            ["steps"] = run.Measure?.Steps.Count,
        };
        if (run.Measure is not { } measure)
            return seed;
        foreach (var (key, _, value) in Figures)
            seed[key] = Finite(value(method, measure));
        seed["peakMemoryBytesBySilo"] = new JsonObject(
            measure
                .Status.PeakMemory.OrderBy(static silo => silo.Key, StringComparer.Ordinal)
                .Select(static silo => KeyValuePair.Create(silo.Key, (JsonNode?)silo.Value))
        );
        seed["adapterSha256"] = measure.Status.AdapterSha256;
        return seed;
    }

    private static JsonObject Values(IEnumerable<Assignment> values) =>
        new(values.Select(static item => KeyValuePair.Create(item.Key, (JsonNode?)item.Plain)));

    /// <summary>Figures that at least one run has.</summary>
    private static IEnumerable<(string Key, string Title, Func<MethodResult, RunMeasure, double?> Value)> Shown(ComparisonResult result) =>
        Figures.Where(figure => result.Methods.Any(method => method.Measures.Any(run => figure.Value(method, run) is not null)));

    private static string Notes(ComparisonResult result)
    {
        var notes = new List<string>
        {
            "Mean ± standard deviation over the seeds (none with one seed). Peak memory: resident bytes of the largest silo process.",
        };
        if (
            result
                .Methods.SelectMany(static method => method.Measures)
                .FirstOrDefault(static run => run.Status.EvaluationBefore is not null) is
            { } evaluated
        )
            notes.Add(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"Exact match before training: {evaluated.Status.EvaluationBefore:P1} of {evaluated.Status.EvaluationProblems} "
                        + $"held-out problems (first run)."
                )
            );
        if (result.Methods.Any(static method => method.Method.Name == "full"))
            notes.Add("Full fine-tuning trains every weight: no LoRA rank matches it, so it has no control.");
        if (result.Finished < result.Total)
            notes.Add(string.Create(CultureInfo.InvariantCulture, $"Not complete: {result.Finished} of {result.Total} runs."));
        foreach (
            var run in result
                .Methods.SelectMany(static method => method.Seeds.Concat(method.Grid))
                .Where(static run => run.Failure is not null)
                .DistinctBy(static run => run.Run.Id)
        )
            notes.Add($"Failed: {run.Run.Id}: {run.Failure!.ReplaceLineEndings(" ")}");
        return string.Join('\n', notes) + "\n";
    }

    private static void Line(StringBuilder text, IReadOnlyList<string> cells) => text.Append("| ").AppendJoin(" | ", cells).Append(" |\n");

    private static string Cell(string key, Spread value)
    {
        if (value.Mean is not { } mean) return "–";
        string Show(double number) => key switch
        {
            "peakMemoryBytes" => string.Create(CultureInfo.InvariantCulture, $"{number / 1048576:N0} MiB"),
            "exactMatch" => string.Create(CultureInfo.InvariantCulture, $"{number:P1}"),
            "secondsPerStep" => string.Create(CultureInfo.InvariantCulture, $"{number:0.000}"),
            "secondsPerEpoch" => string.Create(CultureInfo.InvariantCulture, $"{number:N1}"),
            "tokensPerSecond" => string.Create(CultureInfo.InvariantCulture, $"{number:N0}"),
            _ => string.Create(CultureInfo.InvariantCulture, $"{number:0.0000}"),
        };
        return value.Deviation is { } deviation ? $"{Show(mean)} ± {Show(deviation)}" : Show(mean);
    }

    private static string Count(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    private static string Number(double? value) => value?.ToString("R", CultureInfo.InvariantCulture) ?? "";

    private static double? Finite(double? value) => value is { } number && double.IsFinite(number) ? number : null;

    private static string Quote(string text) =>
        text.AsSpan().IndexOfAny(',', '"', '\n') < 0 ? text : "\"" + text.Replace("\"", "\"\"", StringComparison.Ordinal) + "\"";
}
