using System.Globalization;
using Peft.Orleans.Client.Comparison;
using Peft.Orleans.Tests;
using Xunit;

namespace Peft.Orleans.Client.Tests.Comparison;

/// <summary>The order of a comparison's runs, its choice, what it does not make again, its table.</summary>
public sealed class ComparisonRunnerTests
{
    private const string WithGrid =
        ComparisonWorkspace.Base + "methods: [full, boft]\nrepeats: 2\ngrid: { training.optimizer.learning_rate: [0.1, 0.2, 0.3] }\n";

    [Fact]
    public async Task The_grid_is_tried_with_the_first_seed_and_the_choice_is_repeated()
    {
        using var workspace = new ComparisonWorkspace();
        var runs = new MadeUpRuns(static run => Math.Abs(run.Spec.Training.Optimizer.LearningRate - 0.2) + run.Spec.Seed);
        var result = await workspace.Runner(WithGrid, runs).Run();
        // Three tries and one more seed for full, boft and boft's control.
        Assert.Equal(12, runs.Trained.Count);
        Assert.Equal([5L, 5, 5, 6], runs.Trained.Take(4).Select(static run => run.Spec.Seed));
        Assert.Equal(
            ["full", "boft"],
            result.Methods.Where(static method => method.ControlOf is null).Select(static method => method.Method.Label)
        );
        Assert.All(result.Methods, static method =>
            Assert.All(method.Seeds, static run => Assert.Equal(0.2, run.Run.Spec.Training.Optimizer.LearningRate))
        );
        Assert.Equal((12, 12, false), (result.Finished, result.Total, result.Failed));
    }

    [Fact]
    public async Task Finished_runs_are_not_made_again_and_equal_runs_are_made_once()
    {
        using var workspace = new ComparisonWorkspace();
        var runs = new MadeUpRuns(static run => run.Spec.Seed);
        const string Text = ComparisonWorkspace.Base + "methods: [lora, lora_ga, hybrid]\nrepeats: 2\n";
        var first = await workspace.Runner(Text, runs).Run();
        // The control of lora_ga is the very run of lora.
        Assert.Equal(8, runs.Trained.Count);
        Assert.Equal(5, first.Methods.Count);
        Assert.Equal(first.Methods[0].Seeds.Select(static run => run.Run.Id), first.Methods[2].Seeds.Select(static run => run.Run.Id));
        runs.Trained.Clear();
        var notes = new List<string>();
        var second = await workspace.Runner(Text, runs, notes.Add).Run();
        Assert.Empty(runs.Trained);
        Assert.Contains(notes, static note => note.StartsWith("run 1 of 10: lora, seed 5: completed already", StringComparison.Ordinal));
        Assert.Equal(ComparisonTable.Json(first).ToJsonString(), ComparisonTable.Json(second).ToJsonString());
    }

    [Fact]
    public async Task An_interruption_keeps_what_is_finished()
    {
        using var workspace = new ComparisonWorkspace();
        var runs = new MadeUpRuns(static run => run.Spec.Seed);
        runs.Word = _ => runs.Trained.Count == 5 ? "stopped" : "completed";
        var runner = workspace.Runner(WithGrid, runs);
        var result = await runner.Run();
        Assert.True(runner.Interrupted);
        Assert.Equal((5, 12), (result.Finished, result.Total));
        runs.Word = static _ => "completed";
        runs.Trained.Clear();
        Assert.Equal(12, (await workspace.Runner(WithGrid, runs).Run()).Finished);
        Assert.Equal(7, runs.Trained.Count);
    }

    [Fact]
    public async Task A_failed_run_is_told_and_the_others_go_on()
    {
        using var workspace = new ComparisonWorkspace();
        var runs = new MadeUpRuns(static run => run.Spec.Seed)
        {
            Word = static run => run.Spec.Seed == 6 && run.Spec.Method.Name == Core.Methods.MethodName.Full ? "failed" : "completed",
        };
        var result = await workspace.Runner(ComparisonWorkspace.Base + "methods: [full, boft]\nrepeats: 3\n", runs).Run();
        Assert.True(result.Failed);
        Assert.Equal(8, result.Finished);
        Assert.Equal([5L, 7], result.Methods[0].Seeds.Where(static run => run.Measure is not null).Select(static run => run.Run.Spec.Seed));
        var text = ComparisonTable.Markdown(result);
        Assert.Contains("the loss is not a number", text, StringComparison.Ordinal);
        Assert.Contains("| full | 6 | failed |", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_table_has_mean_deviation_and_every_seed()
    {
        using var workspace = new ComparisonWorkspace();
        var runs = new MadeUpRuns(static run => run.Spec.Seed switch { 5 => 1, 6 => 2, _ => 4.5 });
        var result = await workspace.Runner(ComparisonWorkspace.Base + "methods: [hybrid]\nrepeats: 3\n", runs).Run();
        var row = ComparisonTable.Json(result)["methods"]![0]!;
        Assert.Equal(2.5, (double)row["validationLoss"]!["mean"]!);
        Assert.Equal(Math.Sqrt(6.5 / 2), (double)row["validationLoss"]!["sd"]!, 12);
        Assert.Equal([1, 2, 4.5], row["seeds"]!.AsArray().Select(static seed => (double)seed!["validationLoss"]!));
        Assert.Equal((1.0, 0.0), ((double)row["finalLoss"]!["mean"]!, (double)row["finalLoss"]!["sd"]!));
        // 40 samples in batches of 16: three steps, the median of 4, 1 and 2 seconds each; 300 tokens in 7 seconds.
        Assert.Equal((2.0, 6.0), ((double)row["secondsPerStep"]!["mean"]!, (double)row["secondsPerEpoch"]!["mean"]!));
        Assert.Equal(300.0 / 7, (double)row["tokensPerSecond"]!["mean"]!, 12);
        Assert.Equal(5 << 20, (double)row["peakMemoryBytes"]!["mean"]!);
        Assert.Equal(3 << 20, (long)row["seeds"]![0]!["peakMemoryBytesBySilo"]!["silo-0"]!);
        Assert.Equal(0.5, (double)row["exactMatch"]!["mean"]!);

        var control = ComparisonTable.Json(result)["methods"]![1]!;
        Assert.Equal("hybrid", (string)control["controlOf"]!);
        Assert.Equal((long)row["trainableParameters"]!, (long)control["trainableParametersToMatch"]!);

        var csv = ComparisonTable.Csv(result).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(1 + (2 * 5), csv.Length);
        var columns = csv[0].Split(',');
        Assert.Equal("2.5", csv[4].Split(',')[Array.IndexOf(columns, "validationLoss")]);
        Assert.All(csv, line => Assert.Equal(columns.Length, line.Split(',').Length));

        var markdown = ComparisonTable.Markdown(result);
        Assert.Contains(
            string.Create(CultureInfo.InvariantCulture, $"2.5000 ± {Math.Sqrt(6.5 / 2):0.0000}"),
            markdown,
            StringComparison.Ordinal
        );
        Assert.Contains("(to match ", markdown, StringComparison.Ordinal);
        Assert.Contains("Exact match before training: 10.0", markdown, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Figures_are_drawn()
    {
        using var workspace = new ComparisonWorkspace();
        var runs = new MadeUpRuns(static run => run.Spec.Seed);
        var result = await workspace.Runner(ComparisonWorkspace.Base + "methods: [lora, hybrid]\nrepeats: 2\n", runs).Run();
        var files = ComparisonFigures.Write(result, workspace.Files.Folder);
        Assert.Equal(
            ["training-loss.png", "validation-loss.png", "gradient-norm.png", "cost.png", "lambda.png"],
            files.Select(Path.GetFileName)
        );
        Assert.All(files, static file => Assert.Equal([0x89, (byte)'P', (byte)'N', (byte)'G'], File.ReadAllBytes(file)[..4]));
    }

    [Fact]
    public void One_value_has_no_deviation_and_none_no_mean()
    {
        Assert.Equal(new Spread(3, null), Spread.Of([3, null]));
        Assert.Equal(default, Spread.Of([null]));
        Assert.Equal(new Spread(2, Math.Sqrt(2)), Spread.Of([1, 3]));
    }

    [Fact]
    public async Task The_examples_are_accepted()
    {
        // Only what the repository does not carry is refused: the model and data of the real comparison.
        var examples = Path.Combine(Repository.Root, "examples");
        var file = ComparisonFile.Load(Path.Combine(examples, "compare.yaml"), []);
        new CombinationResolver(file, 1).CheckAll();
        Assert.Equal(["full", "lora", "boft", "lora_ga", "urnn", "hybrid"], file.Methods.Select(static method => method.Name));
        using var workspace = new ComparisonWorkspace();
        var real = ComparisonFile.Load(
            Path.Combine(examples, "compare-gsm8k.yaml"),
            [
                $"model.path={Path.Combine(examples, "tiny-llama")}",
                $"data.train.path={Path.Combine(examples, "problems", "train.jsonl")}",
                "data.train.format=completion",
            ]
        );
        new CombinationResolver(real, 1).CheckAll();
        Assert.Equal(3, real.Repeats);
        var refused = await TestClient.Run(
            "compare",
            "-f",
            Path.Combine(examples, "compare-gsm8k.yaml"),
            "--set",
            "model.path=" + workspace.Files.Path("nowhere")
        );
        Assert.Equal(ExitCodes.Refused, refused.ExitCode);
        Assert.Contains("nowhere", refused.Errors, StringComparison.Ordinal);
    }
}
