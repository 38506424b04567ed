using System.Text.Json;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.Inference;

namespace Peft.Orleans.Grains.Coordination;

/// <summary>Writes metrics and events of a run, validates and evaluates.</summary>
internal sealed class RunReporter : IDisposable
{
    private readonly GenerationContext context;
    private readonly Journal metrics;
    private readonly Journal events;
    private readonly HashSet<int> written;
    private readonly Queue<(double Tokens, double Seconds)> window = [];

    internal RunReporter(GenerationContext context)
    {
        this.context = context;
        var folder = context.Request.Folder;
        var writer = $"{context.Generation.Counter}-{context.Generation.Nonce.ToString("N")[..8]}";
        metrics = Journal.Open(Path.Combine(folder, RunFolder.Metrics), writer, static line => MetricsLine.StepOf(line) > 0);
        events = Journal.Open(Path.Combine(folder, RunFolder.Events), writer, static _ => true);
        written = [.. metrics.Lines.Select(MetricsLine.StepOf)];
        Best = new BestVersion(context.Spec.Training.EarlyStopping, folder);
        foreach (var line in metrics.Lines)
        {
            if (MetricsLine.Number(line, "validationLoss") is { } loss) Best.Note(MetricsLine.StepOf(line), loss);
        }

        EvaluationBefore = events.Lines.Select(EvaluationOf).FirstOrDefault(static found => found is not null);
        Event("generation", new { generation = context.Generation.Counter, silos = context.Live.Keys });
    }

    internal double TokensPerSecond => window.Count == 0 ? 0 : window.Sum(static step => step.Tokens) / window.Sum(static step => step.Seconds);

    internal double[] Lambda { get; private set; } = [];

    internal BestVersion Best { get; }

    internal void Event(string name, object details) =>
        events.Append(JsonSerializer.Serialize(new { time = DateTimeOffset.UtcNow, @event = name, details }));

    /// <summary>Writes the line of a committed step, unless it is there.</summary>
    internal void Line(int step, string line)
    {
        window.Enqueue((MetricsLine.Number(line, "tokens") ?? 0, MetricsLine.Number(line, "seconds") ?? 1));
        if (window.Count > 20) window.Dequeue();
        using (var document = JsonDocument.Parse(line))
        {
            Lambda = document.RootElement.TryGetProperty("lambda", out var values) ? [.. values.EnumerateArray().Select(static value => value.GetDouble())] : [];
        }

        pending = (step, line);
        if (!DueForValidation(step, step >= context.Data.Steps)) Flush();
        RunInstruments.Step(context.Request.RunId, line);
    }

    /// <summary>Validation loss where it is due; the step's line carries it.</summary>
    internal async Task<double?> Validate(PipelineCaller caller, int step, bool ending)
    {
        if (!DueForValidation(step, ending)) return null;
        var batches = await context.Dataset.GetValidation();
        var (loss, targets) = await caller.Loss(batches);
        var mean = loss / Math.Max(1, targets);
        if (pending is { } line) pending = (line.Step, MetricsLine.WithValidation(line.Line, mean));
        Flush();
        return mean;
    }

    /// <summary>Exact match on held-out problems before training, once.</summary>
    internal async Task EvaluateBefore(PipelineCaller caller, Action<Func<RunStatus, RunStatus>>? progress)
    {
        if (context.Spec.Data.Evaluation is not { } evaluation) return;
        if (EvaluationBefore is not null) return;
        progress?.Invoke(static status => status with { Message = "answering the evaluation problems before training" });
        var (correct, problems) = await ProblemEvaluation.Run(caller, context.Spec, evaluation);
        progress?.Invoke(status => status with { EvaluationBefore = correct, EvaluationProblems = problems });
        Event("evaluation", new { step = 0, exactMatch = correct, problems });
        EvaluationBefore = (correct, problems);
    }

    /// <summary>Exact match before training and number of problems, from the events of this run; null when not known yet.</summary>
    internal (double Correct, int Problems)? EvaluationBefore { get; private set; }

    internal void Sync()
    {
        metrics.Sync();
        events.Sync();
    }

    public void Dispose()
    {
        metrics.Dispose();
        events.Dispose();
    }

    private static (double Correct, int Problems)? EvaluationOf(string line)
    {
        using var document = JsonDocument.Parse(line);
        var root = document.RootElement;
        if (root.GetProperty("event").GetString() != "evaluation") return null;
        var details = root.GetProperty("details");
        return details.GetProperty("step").GetInt32() == 0 ? (details.GetProperty("exactMatch").GetDouble(), details.GetProperty("problems").GetInt32()) : null;
    }

    private (int Step, string Line)? pending;

    private void Flush()
    {
        if (pending is { } line && written.Add(line.Step)) metrics.Append(line.Line);
        pending = null;
    }

    private bool DueForValidation(int step, bool ending) =>
        context.Data.ValidationBatches > 0
        && (ending || (context.Spec.Training.ValidateEvery > 0 && step % context.Spec.Training.ValidateEvery == 0));
}
