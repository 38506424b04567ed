using System.Diagnostics;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.Inference;

namespace Peft.Orleans.Grains.Terms;

/// <summary>What follows when a version is stable: its line, validation, the best adapter, early stopping, snapshots, status.</summary>
internal sealed class Reporting(
    TermContext term,
    IAgents agents,
    RunJournals journals,
    VersionFiles files,
    DiskPatience disk,
    TermTimes times
)
{
    private readonly Dictionary<int, TaskCompletionSource> reports = [];

    /// <summary>Whether a step was committed in this term.</summary>
    internal bool Committed { get; private set; }

    /// <summary>Whether validation has not improved for as long as the run file allows.</summary>
    internal bool StoppedEarly { get; private set; }

    /// <summary>Reports a stable version, once what its step is due is done.</summary>
    internal async Task<Answer> Report(int step)
    {
        var ending = step >= term.Data.Steps;
        var record =
            step > 0
                ? term.Records.GetValueOrDefault(step) ?? throw new InvalidOperationException($"the record of step {step} is lost")
                : null;
        if (record is not null)
            await Line(record, ending);
        if (step > journals.Target && !Committed)
        {
            Committed = true;
            UnderWay(step);
        }

        if (step == 0) await EvaluateBefore();
        if (step > 0 && DueForValidation(step, ending)) await Validate(step);
        StoppedEarly = journals.Best.Exhausted && !ending;
        var every = term.Spec.Snapshots.Every;
        if (step > 0 && (ending || (every > 0 && step % every == 0))) await disk.Do(() => files.Snapshot(step));
        term.Progress.Note(status => status with
        {
            State = RunState.Running,
            Message = term.Plan.Protected
                ? "training"
                : "training; every layer has one place only: a lost silo costs the steps since the last snapshot",
            Step = step,
            Loss = record?.Loss ?? status.Loss,
            TokensPerSecond = journals.TokensPerSecond,
            Lambda = record?.Lambda ?? [],
            EvaluationBefore = journals.EvaluationBefore?.Correct,
            EvaluationProblems = journals.EvaluationBefore?.Problems ?? 0,
        });
        foreach (var old in term.Records.Keys.Where(held => held < step - 1).ToArray()) term.Records.Remove(old);
        ReportOf(step).TrySetResult();
        reports.Remove(step - 1);
        return protocol =>
        {
            if (StoppedEarly) protocol.AskEnd(EndRequest.Stop);
            return protocol.Reported(step);
        };
    }

    /// <summary>Waits for the validation of a version, where one is due while the run goes on.</summary>
    internal Task ValidationOf(int step) => DueForValidation(step, ending: false) ? ReportOf(step).Task : Task.CompletedTask;

    /// <summary>Brings what was written to the disk.</summary>
    internal Task Sync() => disk.Do(journals.Sync);

    private async Task Line(StepRecord record, bool ending)
    {
        await disk.Do(() =>
        {
            journals.Take(record);
            // The line of a step that is validated carries the loss.
            if (!DueForValidation(record.Step, ending)) journals.Flush();
        });
    }

    private async Task Validate(int step)
    {
        var (loss, targets) = await Caller(step).Loss(await agents.Dataset.OutlineValidation());
        var mean = loss / Math.Max(1, targets);
        journals.Validated(mean);
        await disk.Do(journals.Flush);
        term.Progress.Note(status => status with { ValidationLoss = mean });
        if (journals.Best.Note(step, mean) && term.Spec.Training.EarlyStopping.KeepBest) await disk.Do(() => files.KeepBest(step));
    }

    /// <summary>Exact match on held-out problems before training, once.</summary>
    private async Task EvaluateBefore()
    {
        if (term.Spec.Data.Evaluation is not { } evaluation || journals.EvaluationBefore is not null) return;
        term.Progress.Note(static status => status with { Message = "answering the evaluation problems before training" });
        var (correct, problems) = await ProblemEvaluation.Run(Caller(0), term.Spec, evaluation);
        term.Progress.Note(status => status with { EvaluationBefore = correct, EvaluationProblems = problems });
        journals.Evaluated(correct, problems);
    }

    /// <summary>The first step of this term is committed: what came between is the pause that a loss, or a join, has cost.</summary>
    private void UnderWay(int step)
    {
        var phases = times.UpTo(Stopwatch.GetTimestamp());
        journals.Event(term.Recovering ? "recovered" : term.Term.Counter == 1 ? "started" : "continued", new { step, seconds = phases });
        if (term.Recovering) RunInstruments.Recovered(term.RunId, phases.Values.Sum());
    }

    private bool DueForValidation(int step, bool ending) =>
        term.Data.ValidationBatches > 0
        && (ending || (term.Spec.Training.ValidateEvery > 0 && step % term.Spec.Training.ValidateEvery == 0));

    private TaskCompletionSource ReportOf(int step)
    {
        if (!reports.TryGetValue(step, out var report))
            reports[step] = report = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        return report;
    }

    private PipelineCaller Caller(int version) => PassCaller.Of(term, agents, version);
}

/// <summary>Passes without gradients through a term's chains.</summary>
internal static class PassCaller
{
    /// <summary>A caller at a stable version.</summary>
    internal static PipelineCaller Of(TermContext term, IAgents agents, int version) =>
        new(replica => agents.Shard(term.First(replica)), term.RunId, term.Term, term.Plan, version);
}
