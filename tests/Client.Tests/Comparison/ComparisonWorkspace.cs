using Peft.Orleans.Client.Comparison;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Client.Tests.Comparison;

/// <summary>Comparisons over the small model of <see cref="Workspace"/>, whose runs are made up.</summary>
internal sealed class ComparisonWorkspace : IDisposable
{
    internal const string Base = """
        base:
          name: demo
          seed: 5
          model: { path: model }
          data: { train: { path: train.jsonl, format: tokens }, validation: { path: train.jsonl } }
          method: { target_modules: [q_proj], lora: { rank: 4, alpha: 8 }, boft: { block_size: 8, butterfly_factors: 2 } }
          training: { steps: 3 }

        """;

    internal ComparisonWorkspace() => Files.RunFile();

    internal Workspace Files { get; } = new();

    internal (ComparisonFile File, CombinationResolver Resolver) Load(string text, params string[] sets)
    {
        var file = ComparisonFile.Load(Files.Write("compare.yaml", text), sets);
        return (file, new CombinationResolver(file, 1));
    }

    internal ComparisonRunner Runner(string text, IRunMaker maker, Action<string>? note = null)
    {
        var (file, resolver) = Load(text);
        return new ComparisonRunner(file, resolver, ModelFolder.Open(Files.Model()).Dimensions, 40, 1, maker, TimeProvider.System)
        {
            Note = note ?? (static _ => { }),
        };
    }

    public void Dispose() => Files.Dispose();
}

/// <summary>Runs whose validation loss is given by a function; what is finished stays so.</summary>
internal sealed class MadeUpRuns(Func<PlannedRun, double> validation) : IRunMaker
{
    private readonly Dictionary<string, RunMeasure> finished = [];

    internal List<PlannedRun> Trained { get; } = [];

    /// <summary>What the next training ends with.</summary>
    internal Func<PlannedRun, string> Word { get; set; } = static _ => "completed";

    public RunMeasure? Finished(PlannedRun run) => finished.GetValueOrDefault(run.Id);

    public Task<(string Word, string Message)> Train(PlannedRun run)
    {
        var word = Word(run);
        Trained.Add(run);
        if (word == "completed") finished[run.Id] = Measure(validation(run));
        return Task.FromResult((word, word == "failed" ? "the loss is not a number" : ""));
    }

    internal static RunMeasure Measure(double validation) =>
        new()
        {
            Status = new RunStatus
            {
                RunId = "r",
                State = RunState.Completed,
                ValidationLoss = validation,
                PeakMemory = new() { ["silo-0"] = 3 << 20, ["silo-1"] = 5 << 20 },
                EvaluationBefore = 0.1,
                EvaluationAfter = 0.5,
                EvaluationProblems = 10,
            },
            Steps =
            [
                Step(1, 3, 1, 100, 4, null, [0.5, 0.4]),
                Step(2, 2, 1.5, 100, 1, validation + 1, [0.6, 0.4]),
                Step(3, 1, 1.25, 100, 2, validation, [0.7, 0.4]),
            ],
        };

    private static StepRecord Step(int step, double loss, double norm, int tokens, double seconds, double? validation, double[] lambda) =>
        new()
        {
            Step = step,
            Loss = loss,
            LearningRate = 1e-4,
            GradientNorm = norm,
            Tokens = tokens,
            TargetTokens = tokens,
            Seconds = seconds,
            Lambda = lambda,
            Term = 1,
            Silos = 2,
            ValidationLoss = validation,
        };
}
