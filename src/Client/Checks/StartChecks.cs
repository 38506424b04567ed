using Peft.Orleans.Client.Runs;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Checks;
using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Client.Checks;

/// <summary>
/// What can be refused before anything is made or started; <c>--dry-run</c>, <c>start-run</c>, <c>resume</c>, <c>compare</c>,
/// <c>generate</c>, <c>score</c> and <c>export</c> share it. Data that several runs read in the same way is read once.
/// </summary>
internal sealed class StartChecks
{
    private readonly HashSet<string> known = [];

    /// <summary>Checks a run whose files this machine sees.</summary>
    /// <param name="spec">The run, paths absolute.</param>
    /// <param name="where">Place in the run file of a key, for messages.</param>
    /// <param name="planOnly">Whether a model without weights will do.</param>
    /// <exception cref="PeftException">Names the file or key and what to do.</exception>
    public ModelFolder Run(RunSpec spec, Func<string, string> where, bool planOnly = false)
    {
        try
        {
            WritableFolder.Require(spec.Output);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw RunLock.Unwritable(spec.Output, error);
        }

        // Of training what decides which samples make a step.
        var batches = new TrainingSpec
        {
            Steps = spec.Training.Steps,
            Epochs = spec.Training.Epochs,
            GlobalBatch = spec.Training.GlobalBatch,
            Microbatch = spec.Training.Microbatch,
        };
        var data = RunFile.Write(new RunSpec { Model = spec.Model, Data = spec.Data, Seed = spec.Seed, Training = batches });
        var model = RunChecks.Check(spec, where, known.Contains(data), planOnly);
        known.Add(data);
        return model;
    }

    /// <summary>Checks a model that is computed with: configuration and weights' headers.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="option">What named it, for messages.</param>
    /// <exception cref="PeftException">Names the file and what to do.</exception>
    public static ModelFolder Model(string folder, string option)
    {
        if (File.Exists(folder))
            throw new PeftException($"{option} {folder} is a file; name the folder with config.json and model.safetensors");
        var model = ModelFolder.Open(folder);
        WeightChecks.Check(model);
        return model;
    }
}
