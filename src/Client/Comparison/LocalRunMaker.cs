using Peft.Orleans.Client.Output;
using Peft.Orleans.Client.Runs;
using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Client.Comparison;

/// <summary>Makes each run as <c>start-run --local</c> does: a local cluster of its own, in the run's folder.</summary>
internal sealed class LocalRunMaker(Terminal terminal, Interruption interruption, ModelFolder model, int silos) : IRunMaker
{
    public RunMeasure? Finished(PlannedRun run) => RunMeasure.Read(run.Folder);

    public async Task<(string Word, string Message)> Train(PlannedRun run)
    {
        if (interruption.Asked.IsCancellationRequested) return ("stopped", "");
        var resolved = RunPreparation.Resolve(run.Spec, model, run.Id, silos);
        using var held = RunLock.Take(run.Folder, run.Id);
        var prepared = RunPreparation.Create(resolved, run.Id);
        if (!prepared.Existed) RunIndex.OfUser().Add(new IndexedRun(run.Id, run.Folder, null, DateTimeOffset.UtcNow));
        try
        {
            var (status, word) = await new RunSession(terminal, interruption).Local(prepared, silos, resume: prepared.Existed);
            return (word, status.Message);
        }
        catch (OperationCanceledException) when (interruption.Asked.IsCancellationRequested)
        {
            return ("stopped", "");
        }
    }
}
