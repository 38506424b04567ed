using Peft.Orleans.Client.Output;
using Peft.Orleans.Client.Runs;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Checks;
using Peft.Orleans.Data.Datasets;
using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Client.Checks;

/// <summary>
/// What can be refused before anything is made or started; <c>--dry-run</c>, <c>start-run</c>, <c>resume</c>, <c>compare</c>,
/// <c>generate</c>, <c>score</c> and <c>export</c> share it. Data that several runs read in the same way is read once.
/// </summary>
/// <param name="terminal">Where a long reading says how far it is; null: nowhere.</param>
internal sealed class StartChecks(Terminal? terminal = null) : IDisposable
{
    private readonly Dictionary<string, TrainingData> known = [];

    /// <summary>Checks a run whose files this machine sees.</summary>
    /// <param name="spec">The run, paths absolute.</param>
    /// <param name="where">Place in the run file of a key, for messages.</param>
    /// <param name="planOnly">Whether a model without weights will do.</param>
    /// <param name="runFolder">The run's folder, whether or not it is there; null: not known.</param>
    /// <exception cref="PeftException">Names the file or key and what to do.</exception>
    public ModelFolder Run(RunSpec spec, Func<string, string> where, bool planOnly = false, string? runFolder = null)
    {
        try
        {
            WritableFolder.Require(spec.Output);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw RunLock.Unwritable(spec.Output, error);
        }

        var key = KeyOf(spec);
        var progress = terminal is null ? null : new ReadingLine(terminal, TimeProvider.System);
        try
        {
            var done = RunChecks.Check(spec, where, known.ContainsKey(key), planOnly, runFolder, progress);
            if (done.Data is { } data) known[key] = data;
            return done.Model;
        }
        finally
        {
            progress?.End();
        }
    }

    /// <summary>The data of a run that was checked.</summary>
    public TrainingData DataOf(RunSpec spec) => known[KeyOf(spec)];

    public void Dispose()
    {
        foreach (var data in known.Values) data.Dispose();
    }

    /// <summary>Equal where two runs read the same data in the same way.</summary>
    private static string KeyOf(RunSpec spec)
    {
        // Of training what decides which samples make a step.
        var batches = new TrainingSpec
        {
            Steps = spec.Training.Steps,
            Epochs = spec.Training.Epochs,
            GlobalBatch = spec.Training.GlobalBatch,
            Microbatch = spec.Training.Microbatch,
        };
        return RunFile.Write(new RunSpec { Model = spec.Model, Data = spec.Data, Seed = spec.Seed, Training = batches });
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
