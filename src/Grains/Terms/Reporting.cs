using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Grains.Terms;

/// <summary>What follows when a version is stable: its line, validation, a snapshot, the run's status.</summary>
internal sealed class Reporting(TermContext term, Commits commits, Validation validation, VersionFiles files)
{
    /// <summary>Whether the run ends because validation has not improved for as long as the run file allows.</summary>
    internal bool StoppedEarly { get; private set; }

    /// <summary>Reports a stable version, once what its step is due is done.</summary>
    internal async Task<Answer> Report(int step)
    {
        var ending = step >= term.Data.Steps;
        var record =
            step > 0
                ? term.Records.GetValueOrDefault(step) ?? throw new InvalidOperationException($"the record of step {step} is lost")
                : null;
        if (record is not null) await commits.Take(record, validation.IsDue(step, ending));
        await validation.Run(step, ending);
        StoppedEarly = validation.Exhausted && !ending;
        if (step > 0 && (ending || files.IsDue(step))) await files.Snapshot(step);
        var begins = term.Progress.Status.State != RunState.Running;
        term.Progress.Note(status => status with
        {
            State = RunState.Running,
            Message = term.Copy.Away
                ? "training; the run's folder is lost or cannot be written: lines are kept in memory until there is one"
                : term.Plan.Protected
                    ? "training"
                    : "training; every layer has one place only: a lost silo costs the steps since the last snapshot",
            Step = step,
            Loss = record?.Loss ?? status.Loss,
            TokensPerSecond = commits.TokensPerSecond,
            Lambda = record?.Lambda ?? [],
            EvaluationBefore = validation.EvaluationBefore?.Correct,
            EvaluationProblems = validation.EvaluationBefore?.Problems ?? 0,
        });
        if (begins) await commits.TellUnderWay();
        foreach (var old in term.Records.Keys.Where(held => held < step - 1).ToArray()) term.Records.Remove(old);
        validation.Reported(step);
        return protocol =>
        {
            if (StoppedEarly) protocol.AskEnd(EndRequest.Stop);
            return protocol.Reported(step);
        };
    }
}
