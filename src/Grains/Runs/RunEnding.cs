using Microsoft.Extensions.Logging;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.ChatTemplates;
using Peft.Orleans.Data.Exports;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.SafeTensors;
using Peft.Orleans.Grains.Inference;
using Peft.Orleans.Grains.Terms;
using Peft.Orleans.Kernels.Adapters;

namespace Peft.Orleans.Grains.Runs;

/// <summary>
/// What has to be done at a term's end while its silos still hold the run: a snapshot where it stopped, its results after the last step.
/// </summary>
internal sealed class RunEnding(TermRun term, ILoggerFactory loggers)
{
    private readonly ILogger log = loggers.CreateLogger<RunEnding>();
    private readonly RunProgress progress = term.Term.Progress;
    private readonly RunSpec spec = term.Term.Spec;
    private readonly RunFolder folder = term.Term.Folder;

    /// <summary>Does it; the term may be lost on the way.</summary>
    /// <param name="outcome">How the term ended.</param>
    /// <param name="snapshot">Whether a run that was stopped is to leave a snapshot.</param>
    internal async Task<TermOutcome> Follow(TermOutcome outcome, bool snapshot)
    {
        try
        {
            switch (outcome)
            {
                case TermOutcome.Stopped stopped:
                    await term.Journals.Settle();
                    if (snapshot || term.Journals.Rebuilt) await term.Files.Snapshot(stopped.Step);
                    await term.EndAgents();
                    break;
                case TermOutcome.Finished finished:
                    progress.Note(static status => status with { State = RunState.Finishing, Message = "writing the adapter" });
                    await term.Journals.Settle();
                    if (term.Journals.Rebuilt) await term.Files.Snapshot(finished.Step);
                    var peaks = await term.PeakMemory();
                    await term.Disk.Do("adapter", async () =>
                    {
                        var done = await Finish(
                            finished.Step, progress.Status with { State = RunState.Finishing, PeakMemory = peaks });
                        progress.Note(_ => done);
                    });
                    await term.EndAgents();
                    break;
            }

            return outcome;
        }
        catch (Exception error) when (!term.Term.Abandoned.IsCancellationRequested)
        {
            return TermOutcome.Of(error, term.Committed);
        }
    }

    /// <summary>Evaluation, adapter or model folder, hash.</summary>
    private async Task<RunStatus> Finish(int step, RunStatus status)
    {
        if (spec.Data.Evaluation is { } evaluation)
        {
            var (correct, problems) = await ProblemEvaluation.Run(term.Caller(step), spec, evaluation);
            status = status with { EvaluationAfter = correct, EvaluationProblems = problems };
            term.Journals.Event(RunEvents.Evaluation, new { step, exactMatch = correct, problems });
        }

        var parts = folder.NewParts();
        Directory.CreateDirectory(parts);
        try
        {
            if (term.Files.BestParts is { } best)
            {
                foreach (var part in Directory.EnumerateFiles(best)) File.Copy(part, Path.Combine(parts, Path.GetFileName(part)));
            }
            else
            {
                await term.Files.WriteAdapter(step, parts);
            }

            var (path, sha256) = await Task.Run(() => MethodTraits.Of(spec.Method).TrainsBase ? WriteModel(parts) : WriteAdapter(parts));
            term.Journals.Event(RunEvents.Adapter, new { step, path, sha256 });
            log.LogInformation("run {RunId}: {Path} written, sha256 {Sha256}", status.RunId, path, sha256);
            return status with { AdapterPath = path, AdapterSha256 = sha256, Message = "completed" };
        }
        finally
        {
            Directory.Delete(parts, recursive: true);
        }
    }

    private (string Path, string Sha256) WriteAdapter(string parts)
    {
        Directory.CreateDirectory(folder.Adapter);
        SafeTensorsWriter.Merge(folder.AdapterTensors, Directory.EnumerateFiles(parts, "*.safetensors").Order(StringComparer.Ordinal));
        File.WriteAllText(folder.AdapterConfig, AdapterConfigWriter.Write(spec.Method, ModelFolder.Open(spec.Model.Path)));
        ModelCompanions.WriteAdapter(spec.Model.Path, folder.Adapter, TrainedPrompts.OfRun(spec));
        return (folder.Adapter, FileHash.Of(folder.AdapterTensors));
    }

    /// <summary>A Hugging Face folder: weights, configuration, tokenizer.</summary>
    private (string Path, string Sha256) WriteModel(string parts)
    {
        Directory.CreateDirectory(folder.Model);
        ModelCompanions.WriteModel(spec.Model.Path, folder.Model, "float32", TrainedPrompts.OfRun(spec));
        return (folder.Model, FileHash.Of(ModelShards.Assemble(parts, folder.Model)));
    }
}
