using Orleans.Runtime;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Datasets;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Runs;

namespace Peft.Orleans.Grains.Runs;

/// <summary>The data of a run: a pure function of the run file, so that it may sit anywhere and be rebuilt at any time.</summary>
public sealed class DatasetGrain(ILocalSiloDetails silo) : Grain, IDatasetGrain
{
    private TrainingData? data;
    private DatasetSummary? summary;

    /// <inheritdoc/>
    public async Task<DatasetSummary> Open(ResolvedRun run, string folder)
    {
        await Compare();
        if (summary is not null) return summary;
        data = await Task.Run(() => Load(run.Spec));
        // What was read meanwhile is what was compared.
        await Compare();
        return summary = new DatasetSummary(data.Steps, data.Samples, data.Dropped, data.Validation.Count, data.TrainSha256);

        Task Compare() => Task.Run(() => RunInputs.Check(folder, run.Spec, InputKinds.All, silo.Name));
    }

    /// <inheritdoc/>
    public Task<Microbatch[]> GetStep(int step) =>
        Task.FromResult(Enumerable.Range(0, Data.Microbatches(step)).Select(index => Data.Get(step, index)).ToArray());

    /// <inheritdoc/>
    public Task<Microbatch> GetSample(int index) => Task.FromResult(Data.Sample(index % Data.Samples));

    /// <inheritdoc/>
    public Task<Microbatch[]> GetValidation() => Task.FromResult(Data.Validation.ToArray());

    private TrainingData Data => data ?? throw new InvalidOperationException("the data set of this run is not open: it was on a silo that is gone, and is opened again");

    private static TrainingData Load(RunSpec spec)
    {
        var model = ModelFolder.Open(spec.Model.Path);
        var tokenizer = TrainingData.NeedsTokenizer(spec.Data) ? model.Tokenizer : null;
        return TrainingData.Load(spec, resolvePath: null, tokenizer, model.Vocabulary);
    }
}
