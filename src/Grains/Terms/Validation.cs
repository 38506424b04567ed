using Peft.Orleans.Grains.Inference;

namespace Peft.Orleans.Grains.Terms;

/// <summary>What a run knows of versions beside their training loss: validation, the best adapter, exact match before training.</summary>
internal sealed class Validation(TermContext term, IAgents agents, RunJournals journals, VersionFiles files)
{
    private readonly Dictionary<int, TaskCompletionSource> reports = [];

    /// <summary>Whether validation has not improved for as long as the run file allows.</summary>
    internal bool Exhausted => journals.Best.Exhausted;

    /// <summary>Exact match before training and number of problems; null when not known yet.</summary>
    internal (double Correct, int Problems)? EvaluationBefore => journals.EvaluationBefore;

    /// <summary>Whether a version is validated.</summary>
    /// <param name="step">The version.</param>
    /// <param name="ending">Whether it is the last.</param>
    internal bool IsDue(int step, bool ending) =>
        term.Data.ValidationBatches > 0
        && (ending || (term.Spec.Training.ValidateEvery > 0 && step % term.Spec.Training.ValidateEvery == 0));

    /// <summary>Validates a version where it is due; version 0 answers the evaluation's problems instead, once in a run.</summary>
    internal async Task Run(int step, bool ending)
    {
        if (step == 0) await EvaluateBefore();
        else if (IsDue(step, ending)) await Validate(step);
    }

    /// <summary>A version is reported: whoever waits for its validation goes on.</summary>
    internal void Reported(int step)
    {
        ReportOf(step).TrySetResult();
        reports.Remove(step - 1);
    }

    /// <summary>Waits until a version is reported, where it is validated while the run goes on.</summary>
    internal Task Over(int step) => IsDue(step, ending: false) ? ReportOf(step).Task : Task.CompletedTask;

    private async Task Validate(int step)
    {
        var (loss, targets) = await PassCaller.Of(term, agents, step).Loss(await agents.Dataset.OutlineValidation());
        var mean = loss / Math.Max(1, targets);
        journals.Validated(mean);
        await journals.Flush();
        term.Progress.Note(status => status with { ValidationLoss = mean });
        if (journals.Best.Note(step, mean) && term.Spec.Training.EarlyStopping.KeepBest) await files.KeepBest(step);
    }

    private async Task EvaluateBefore()
    {
        if (term.Spec.Data.Evaluation is not { } evaluation || journals.EvaluationBefore is not null) return;
        term.Progress.Note(static status => status with { Message = "answering the evaluation problems before training" });
        var (correct, problems) = await ProblemEvaluation.Run(PassCaller.Of(term, agents, version: 0), term.Spec, evaluation);
        term.Progress.Note(status => status with { EvaluationBefore = correct, EvaluationProblems = problems });
        journals.Evaluated(correct, problems);
    }

    private TaskCompletionSource ReportOf(int step)
    {
        if (!reports.TryGetValue(step, out var report))
            reports[step] = report = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        return report;
    }
}
