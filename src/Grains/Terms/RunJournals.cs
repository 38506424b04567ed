using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.RunFiles;

namespace Peft.Orleans.Grains.Terms;

/// <summary>The journals of a run, taken over by a term: metrics, samples, events, and what they tell of the steps before.</summary>
internal sealed class RunJournals : IDisposable
{
    private readonly TermContext term;
    private readonly DiskPatience disk;
    private readonly FolderCare care;
    private readonly Journal metrics;
    private readonly Journal samples;
    private readonly Journal events;
    private readonly Dictionary<int, double> written;
    private readonly SampleLedger logged;
    private StepRecord? pending;

    internal RunJournals(TermContext term, DiskPatience disk, FolderCare care)
    {
        (this.term, this.disk, this.care) = (term, disk, care);
        metrics = Journal.Open(term.Folder.Metrics, term.Writer, IsStep, term.Copy.Metrics);
        samples = Journal.Open(term.Folder.Samples, term.Writer, IsStep, term.Copy.Samples);
        events = Journal.Open(term.Folder.Events, term.Writer, static _ => true, term.Copy.Events);
        care.Claim();
        written = StepLines.ReadAll(metrics.Lines).ToDictionary(static record => record.Step, static record => record.Loss);
        logged = new SampleLedger(StepLines.ReadAll(samples.Lines));
        Best = new BestVersion(term.Spec.Training.EarlyStopping, term.Folder);
        foreach (var record in StepLines.ReadAll(metrics.Lines))
        {
            if (record.ValidationLoss is { } loss) Best.Note(record.Step, loss);
        }

        EvaluationBefore = events.Lines.Select(EvaluationOf).FirstOrDefault(static found => found is not null);
    }

    /// <summary>The version this term starts from; −1 before the plan.</summary>
    internal int Target { get; private set; } = -1;

    /// <summary>Whether the folder was made anew since the last snapshot.</summary>
    internal bool Rebuilt { get; set; }

    /// <summary>Last step whose line is written; 0: none.</summary>
    internal int LastLine => written.Keys.DefaultIfEmpty(0).Max();

    /// <summary>Validations so far.</summary>
    internal BestVersion Best { get; }

    /// <summary>Exact match before training and number of problems, from the events of this run; null when not known yet.</summary>
    internal (double Correct, int Problems)? EvaluationBefore { get; private set; }

    /// <summary>Notes plan and target of the term.</summary>
    internal void Begin(SeatPlan plan, int target)
    {
        Target = target;
        var replayed = Math.Max(0, LastLine - target);
        Audit(target);
        term.Figures.Elastic.Began(replayed);
        Event(RunEvents.Term, new
        {
            term = term.Term.Counter,
            silos = plan.Silos.Select(static silo => silo.Name),
            lost = SilosBefore().Where(before => plan.Silos.All(silo => silo.Name != before)),
            joined = plan.Silos.Select(static silo => silo.Name).Where(silo => SilosBefore() is { Length: > 0 } all && !all.Contains(silo)),
            replicas = plan.Replicas,
            standbys = plan.Standbys,
            fromStep = target,
            replayed,
        });
    }

    /// <summary>Writes what happened.</summary>
    /// <param name="name">One of <see cref="RunEvents"/>.</param>
    /// <param name="details">What its sentence is made of.</param>
    internal void Event(string name, object details)
    {
        if (name == RunEvents.Evicted) term.Figures.Elastic.Evicted();
        events.Append(JsonSerializer.Serialize(new { time = DateTimeOffset.UtcNow, @event = name, details }));
    }

    /// <summary>Writes that the run goes on without a silo.</summary>
    internal void LeftOut(UnfitSiloException unfit) => Event(RunEvents.LeftOut, new { silo = unfit.Silo, reason = unfit.Message });

    /// <summary>
    /// Takes a committed step; its line waits for <see cref="Flush"/>. A step made again must have the same loss, to the bit.
    /// </summary>
    /// <exception cref="PeftException">It has another: the silos do not compute the same bits.</exception>
    internal void Take(StepRecord record)
    {
        if (!logged.Agrees(record)) CompareSamples(record);
        if (written.TryGetValue(record.Step, out var before) && !before.Equals(record.Loss))
        {
            throw new PeftException(
                $"step {record.Step} was made again and its loss is {record.Loss:R}, not {before:R}: the silos do not compute the "
                + "same bits (different hardware or thread numbers?)");
        }

        pending = record;
    }

    /// <summary>Adds the validation loss to the step that waits.</summary>
    internal void Validated(double loss)
    {
        pending = pending is null ? null : pending with { ValidationLoss = loss };
        term.Figures.Training.Validated(loss);
    }

    /// <summary>Notes the exact match on held-out problems before training.</summary>
    internal void Evaluated(double correct, int problems)
    {
        Event(RunEvents.Evaluation, new { step = 0, exactMatch = correct, problems });
        EvaluationBefore = (correct, problems);
    }

    /// <summary>Writes what waits, unless it is there.</summary>
    internal async Task Flush()
    {
        await disk.Do("journal", WritePending);
        Look();
    }

    /// <summary>Brings every line to the folder, and waits for one where there is none.</summary>
    internal Task Settle() => disk.Do("journal", () =>
    {
        Look();
        if (term.Copy.Away) throw new DirectoryNotFoundException("the run's folder is lost");
    });

    private void Look()
    {
        if (care.IsIntact(metrics, samples, events)) return;
        var step = LastLine;
        if (care.Lose()) Event(RunEvents.FolderLost, new { step });
        if (!care.TryRebuild(metrics, samples, events)) return;
        Rebuilt = true;
        Event(RunEvents.FolderRebuilt, new { step });
    }

    /// <summary>Writes the run's status, as far as it has come.</summary>
    internal Task Status() => disk.DoWithFolder("status", () =>
    {
        term.Folder.WriteStatus(term.Progress.Status);
        return Task.CompletedTask;
    });

    /// <summary>Brings everything to the disk.</summary>
    internal Task Sync() => disk.Do("journal", () =>
    {
        metrics.Sync();
        samples.Sync();
        events.Sync();
    });

    public void Dispose()
    {
        metrics.Dispose();
        samples.Dispose();
        events.Dispose();
    }

    private static bool IsStep(string line) => StepLines.Read(line) is { Step: > 0 };

    private void WritePending()
    {
        if (pending is not { } record) return;
        if (logged.Add(record)) Attempt(samples, StepLines.SamplesOf(record), () => logged.Remove(record.Step));
        if (written.TryAdd(record.Step, record.Loss)) Attempt(metrics, StepLines.Metrics(record), () => written.Remove(record.Step));
        pending = null;
    }

    /// <summary>
    /// What is missing of the steps that were committed before: those this silo has reported, those before the version that the term begins
    /// with, and those whose lines stand between others.
    /// </summary>
    private void Audit(int target)
    {
        var last = Math.Max(Math.Max(term.Progress.Status.Step, target - 1), LastLine);
        var lost = Enumerable.Range(1, Math.Max(0, last)).Count(step => !written.ContainsKey(step));
        term.Figures.Elastic.Found(lost, logged.Dropped(written.Keys, term.Run.Microbatches), logged.Repeated);
    }

    private void CompareSamples(StepRecord again)
    {
        var before = StepLines.ReadAll(Journal.ReadValid(term.Folder.Samples)).First(line => line.Step == again.Step).Samples;
        var (dropped, repeated) = SampleLedger.Difference(before, again.Samples);
        term.Figures.Elastic.SamplesDiffer(dropped, repeated);
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

    /// <summary>The silos of the former term's plan, as its event has them; empty without one.</summary>
    private string[] SilosBefore()
    {
        foreach (var line in events.Lines.Reverse())
        {
            using var document = JsonDocument.Parse(line);
            var root = document.RootElement;
            if (root.GetProperty("event").GetString() != RunEvents.Term) continue;
            return [.. root.GetProperty("details").GetProperty("silos").EnumerateArray().Select(static name => name.GetString()!)];
        }

        return [];
    }

    private static (double Correct, int Problems)? EvaluationOf(string line)
    {
        using var document = JsonDocument.Parse(line);
        var root = document.RootElement;
        if (root.GetProperty("event").GetString() != RunEvents.Evaluation) return null;
        var details = root.GetProperty("details");
        return details.GetProperty("step").GetInt32() == 0
            ? (details.GetProperty("exactMatch").GetDouble(), details.GetProperty("problems").GetInt32())
            : null;
    }
}
