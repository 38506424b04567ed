using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.Inference;
using Peft.Orleans.Grains.RunFiles;

namespace Peft.Orleans.Grains.Terms;

/// <summary>Writes metrics, samples and events of a run, validates and evaluates.</summary>
internal sealed class RunReporter : IDisposable
{
    private readonly TermContext context;
    private readonly Journal metrics;
    private readonly Journal samples;
    private readonly Journal events;
    private readonly Dictionary<int, double?> written;
    private readonly HashSet<int> logged;
    private readonly Queue<(double Tokens, double Seconds)> window = [];
    private (int Step, string Line, string Samples)? pending;

    internal RunReporter(TermContext context)
    {
        this.context = context;
        var folder = context.Request.Folder;
        var writer = $"{context.Term.Counter}-{context.Term.Nonce.ToString("N")[..8]}";
        metrics = Journal.Open(Path.Combine(folder, RunFolder.Metrics), writer, static line => MetricsLine.StepOf(line) > 0);
        samples = Journal.Open(Path.Combine(folder, RunFolder.Samples), writer, static line => MetricsLine.StepOf(line) > 0);
        events = Journal.Open(Path.Combine(folder, RunFolder.Events), writer, static _ => true);
        written = metrics.Lines.ToDictionary(MetricsLine.StepOf, static line => MetricsLine.Number(line, "loss"));
        logged = [.. samples.Lines.Select(MetricsLine.StepOf)];
        Best = new BestVersion(context.Spec.Training.EarlyStopping, folder);
        foreach (var line in metrics.Lines)
        {
            if (MetricsLine.Number(line, "validationLoss") is { } loss) Best.Note(MetricsLine.StepOf(line), loss);
        }

        EvaluationBefore = events.Lines.Select(EvaluationOf).FirstOrDefault(static found => found is not null);
    }

    /// <summary>The version this term starts from.</summary>
    internal int Target { get; private set; } = -1;

    /// <summary>Steps committed before that this term makes again.</summary>
    internal int Replayed { get; private set; }

    /// <summary>Notes plan and target of the term.</summary>
    internal void Begin(SeatPlan plan, int target)
    {
        Target = target;
        Replayed = Math.Max(0, written.Keys.DefaultIfEmpty(0).Max() - target);
        Event("term", new
        {
            term = context.Term.Counter,
            silos = plan.Silos.Select(static silo => silo.Name),
            replicas = plan.Replicas,
            standbys = plan.Standbys,
            fromStep = target,
            replayed = Replayed,
        });
    }

    internal double TokensPerSecond => window.Count == 0 ? 0 : window.Sum(static step => step.Tokens) / window.Sum(static step => step.Seconds);

    internal double[] Lambda { get; private set; } = [];

    internal BestVersion Best { get; }

    internal void Event(string name, object details) =>
        events.Append(JsonSerializer.Serialize(new { time = DateTimeOffset.UtcNow, @event = name, details }));

    /// <summary>Writes the line of a committed step, unless it is there. A step made again must have the same loss, to the bit.</summary>
    internal void Line(int step, string record)
    {
        var (line, hashes) = MetricsLine.Split(record);
        if (written.TryGetValue(step, out var before) && MetricsLine.Number(line, "loss") is var again && before != again)
            throw new PeftException($"step {step} was made again and its loss is {again:R}, not {before:R}: the silos do not compute the same bits (different hardware or thread numbers?)");
        using (var document = JsonDocument.Parse(line))
        {
            Lambda = document.RootElement.TryGetProperty("lambda", out var values) ? [.. values.EnumerateArray().Select(static value => value.GetDouble())] : [];
        }

        if (pending?.Step != step)
        {
            window.Enqueue((MetricsLine.Number(line, "tokens") ?? 0, MetricsLine.Number(line, "seconds") ?? 1));
            if (window.Count > 20) window.Dequeue();
            RunInstruments.Step(context.Request.RunId, line);
        }

        pending = (step, line, hashes);
        if (!DueForValidation(step, step >= context.Data.Steps)) Flush();
    }

    /// <summary>Validation loss where it is due; the step's line carries it.</summary>
    internal async Task<double?> Validate(PipelineCaller caller, int step, bool ending)
    {
        if (!DueForValidation(step, ending)) return null;
        var batches = await context.Dataset.GetValidation();
        var (loss, targets) = await caller.Loss(batches);
        var mean = loss / Math.Max(1, targets);
        if (pending is { } line) pending = line with { Line = MetricsLine.WithValidation(line.Line, mean) };
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
        samples.Sync();
        events.Sync();
    }

    public void Dispose()
    {
        metrics.Dispose();
        samples.Dispose();
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

    /// <summary>Writes what waits.</summary>
    internal void Flush()
    {
        if (pending is not { } line) return;
        if (logged.Add(line.Step)) Attempt(samples, line.Samples, () => logged.Remove(line.Step));
        var loss = MetricsLine.Number(line.Line, "loss");
        if (written.TryAdd(line.Step, loss)) Attempt(metrics, line.Line, () => written.Remove(line.Step));
        pending = null;
    }

    private static void Attempt(Journal journal, string line, Action undo)
    {
        try
        {
            journal.Append(line);
        }
        catch
        {
            undo();
            throw;
        }
    }

    /// <summary>Whether a step's line carries a validation loss.</summary>
    internal bool DueForValidation(int step, bool ending) =>
        context.Data.ValidationBatches > 0
        && (ending || (context.Spec.Training.ValidateEvery > 0 && step % context.Spec.Training.ValidateEvery == 0));
}
