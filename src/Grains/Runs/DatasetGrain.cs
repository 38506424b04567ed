using Orleans.Runtime;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Datasets;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Runs;

namespace Peft.Orleans.Grains.Runs;

/// <summary>The data of a run: a pure function of the run file, so that it may sit anywhere and be rebuilt at any time.</summary>
internal sealed class DatasetGrain(ILocalSiloDetails silo) : Grain, IDatasetGrain
{
    private TrainingData? data;
    private readonly Dictionary<int, Microbatch[]> steps = [];
    private DatasetSummary? summary;

    /// <inheritdoc/>
    public async Task<DatasetSummary> Open(ResolvedRun run, string folder)
    {
        await Compare();
        if (summary is not null) return summary;
        data = await Task.Run(() => Load(run.Spec, folder));
        // What was read meanwhile is what was compared.
        await Compare();
        return summary = new DatasetSummary(data.Steps, data.Samples, data.Dropped, data.Validation.Count, data.TrainSha256);

        Task Compare() => Task.Run(() => RunInputs.Check(folder, run.Spec, InputKinds.All, silo.Name));
    }

    /// <inheritdoc/>
    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        data?.Dispose();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task<BatchOutline[]> OutlineStep(int step) => Task.FromResult(Step(step).Select(static batch => batch.Outline()).ToArray());

    /// <inheritdoc/>
    public Task<BatchOutline> OutlineSample(int index) => Task.FromResult(Sample(index).Outline());

    /// <inheritdoc/>
    public Task<BatchOutline[]> OutlineValidation() => Task.FromResult(Data.Validation.Select(static batch => batch.Outline()).ToArray());

    /// <inheritdoc/>
    public Task<Microbatch?> Get(BatchKey key) => Task.FromResult(key.Set switch
    {
        BatchSet.Training => key.Step <= Data.Steps ? Step(key.Step).ElementAtOrDefault(key.Index) : null,
        BatchSet.Samples => Sample(key.Index),
        _ => Data.Validation.ElementAtOrDefault(key.Index),
    });

    /// <summary>A step's microbatches are asked for one by one, by several shards: those of the last steps are kept.</summary>
    private Microbatch[] Step(int step)
    {
        if (!steps.TryGetValue(step, out var batches))
        {
            steps[step] = batches = [.. Enumerable.Range(0, Data.Microbatches(step)).Select(index => Data.Get(step, index))];
            foreach (var old in steps.Keys.Where(other => Math.Abs(other - step) > 2).ToArray()) steps.Remove(old);
        }

        return batches;
    }

    private Microbatch Sample(int index) => Data.Sample(index % Data.Samples);

    private TrainingData Data =>
        data
        ?? throw new InvalidOperationException(
            "the data set of this run is not open: it was on a silo that is gone, and is opened again"
        );

    private static TrainingData Load(RunSpec spec, string folder)
    {
        var model = ModelFolder.Open(spec.Model.Path);
        var tokenizer = TrainingData.NeedsTokenizer(spec.Data) ? model.Tokenizer : null;
        return TrainingData.Load(spec, folder, tokenizer, model.Vocabulary, saves: true);
    }
}
