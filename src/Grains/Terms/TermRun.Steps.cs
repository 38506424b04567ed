using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Grains.RunFiles;

namespace Peft.Orleans.Grains.Terms;

/// <summary>The phases of a step, and what follows when its version is stable.</summary>
internal sealed partial class TermRun
{
    private readonly Dictionary<int, TaskCompletionSource> reports = [];

    private async Task ComputeGradients(int step)
    {
        // Validation of the version before fills the pipeline by itself, and its activations the memory.
        if (reporter.DueForValidation(step - 1, ending: false)) await ReportOf(step - 1).Task;
        await steps.Compute(Plan!, step);
        Post(() => protocol.GradientsComputed(step));
    }

    private async Task Reduce(string silo, int step)
    {
        Accept(await context.Agent(silo).Reduce(new ReduceMessage(context.Request.RunId, context.Term, step, steps.Microbatches, [], null, [])));
        Post(() => protocol.Reduced(silo, step));
    }

    private async Task Prepare(string silo, int step)
    {
        var reply = Accept(await context.Agent(silo).Prepare(context.Request.RunId, context.Term, step));
        Post(() =>
        {
            steps.Measured(silo, reply.Measures, reply.ComputeSeconds);
            return protocol.Prepared(silo, step);
        });
    }

    private async Task Apply(string silo, int step)
    {
        var message = steps.ApplyMessage(Plan!, step);
        RunInstruments.Slowdown(context.Request.RunId, steps.Slowdown(Plan!, LayerCosts));
        var reply = Accept(await context.Agent(silo).Apply(message));
        Post(() =>
        {
            steps.CheckHashes(step, reply.Hashes);
            return protocol.Applied(silo, step);
        });
    }

    private async Task Protect(string silo, int version)
    {
        var reply = Accept(await context.Agent(silo).Protect(context.Request.RunId, context.Term, version));
        Post(() =>
        {
            steps.CheckHashes(version, reply.Hashes);
            return protocol.Protected(silo, version);
        });
    }

    private async Task Report(int step)
    {
        var line = step > 0 ? steps.Records.GetValueOrDefault(step) ?? throw new InvalidOperationException($"the record of step {step} is lost") : null;
        if (line is not null) await OnDisk(() => reporter.Line(step, line));
        if (step > reporter.Target && !Committed)
        {
            Committed = true;
            UnderWay(step);
        }

        var ending = step >= context.Data.Steps;
        if (step == 0) await reporter.EvaluateBefore(Caller(0), Progress);
        if (step > 0 && await reporter.Validate(Caller(step), step, ending) is { } validation)
        {
            await OnDisk(reporter.Flush);
            Progress?.Invoke(status => status with { ValidationLoss = validation });
            var best = reporter.Best.Note(step, validation);
            if (best && context.Spec.Training.EarlyStopping.KeepBest) await OnDisk(() => KeepBest(step));
        }

        if (reporter.Best.Exhausted && !ending)
        {
            StoppedEarly = true;
            protocol.AskEnd(Core.Protocol.EndRequest.Stop);
        }

        var every = context.Spec.Snapshots.Every;
        if (step > 0 && (ending || (every > 0 && step % every == 0))) await OnDisk(() => Snapshot(step));
        Progress?.Invoke(status => status with
        {
            State = RunState.Running,
            Message = Plan!.Protected ? "training" : "training; every layer has one place only: a lost silo costs the steps since the last snapshot",
            Step = step,
            Loss = line is null ? status.Loss : MetricsLine.Number(line, "loss"),
            TokensPerSecond = reporter.TokensPerSecond,
            Lambda = reporter.Lambda,
            EvaluationBefore = reporter.EvaluationBefore?.Correct,
            EvaluationProblems = reporter.EvaluationBefore?.Problems ?? 0,
        });
        steps.Forget(step - 1);
        ReportOf(step).TrySetResult();
        reports.Remove(step - 1);
        Post(() => protocol.Reported(step));
    }

    /// <summary>The first step of this term is committed: what came between is the pause that a loss, or a join, has cost.</summary>
    private void UnderWay(int step)
    {
        var phases = times.UpTo(System.Diagnostics.Stopwatch.GetTimestamp());
        Event(context.Recovering ? "recovered" : context.Term.Counter == 1 ? "started" : "continued", new { step, seconds = phases });
        if (context.Recovering) RunInstruments.Recovered(context.Request.RunId, phases.Values.Sum());
    }

    private TaskCompletionSource ReportOf(int step)
    {
        if (!reports.TryGetValue(step, out var report)) reports[step] = report = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        return report;
    }
}
