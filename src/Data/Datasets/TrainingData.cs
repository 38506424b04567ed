using System.Security.Cryptography;
using System.Text;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Datasets.Indexes;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Data.Datasets;

/// <summary>
/// The data of a run. Microbatch (step, index) is a pure function of the run file and the data: every silo that reads the same files gets
/// the same microbatches. Samples are read where they lie when they are asked for. Safe to use from several threads.
/// </summary>
public sealed class TrainingData : IDisposable
{
    private readonly RunSamples samples;
    private readonly RowTable rows;
    private readonly RowOrder order;
    private readonly int globalBatch;
    private readonly int microbatch;
    private readonly int? stepsPerEpoch;

    private TrainingData(RunSpec spec, RunSamples samples)
    {
        this.samples = samples;
        (rows, order) = (RowTable.Join(samples.Sources), Order(spec, samples.Sources));
        Validation = new RowBatches(samples.Validation, spec.Training.Microbatch, samples.ValidationRow);
        globalBatch = spec.Training.GlobalBatch;
        microbatch = spec.Training.Microbatch;
        if (spec.Training.Epochs is { } epochs)
        {
            stepsPerEpoch = (int)((order.PerEpoch + (long)globalBatch - 1) / globalBatch);
            var steps = (long)epochs * stepsPerEpoch.Value;
            Steps = steps <= int.MaxValue
                ? (int)steps
                : throw new PeftException($"training.epochs: {epochs} epochs are {steps:N0} steps; at most {int.MaxValue:N0} are possible");
        }
        else
        {
            Steps = spec.Training.Steps ?? throw new PeftException("training.steps or training.epochs must be given");
        }
    }

    /// <summary>Number of training samples of an epoch; a packed row counts as one.</summary>
    public int Samples => order.PerEpoch;

    /// <summary>Number of steps of the run.</summary>
    public int Steps { get; }

    /// <summary>Samples left out because they are longer than <c>data.max_length</c> (validation included).</summary>
    public int Dropped => samples.Index.Files.Sum(static file => file.Dropped);

    /// <summary>sha256 of the training file, in hexadecimal; of several the hash over their hashes.</summary>
    public string TrainSha256 { get; private init; } = "";

    /// <summary>sha256 of the validation file; null where there is none.</summary>
    public string? ValidationSha256 { get; private init; }

    /// <summary>Validation microbatches, in the order of the file; empty without validation.</summary>
    public IReadOnlyList<Microbatch> Validation { get; }

    /// <summary>Reads, or finds in the index of an earlier reading, what the data of a run are.</summary>
    /// <param name="spec">The run file; paths are absolute.</param>
    /// <param name="runFolder">The run's folder, whose index serves where it holds; null: none.</param>
    /// <param name="tokenizer">The model's tokenizer; null is enough for format tokens.</param>
    /// <param name="vocabularySize">The model's <c>vocab_size</c>.</param>
    /// <param name="saves">Whether an index that has to be made is left in the folder.</param>
    /// <param name="progress">Told how far the files are read, where they are.</param>
    /// <exception cref="PeftException">Names file and line of what is wrong.</exception>
    public static TrainingData Load(
        RunSpec spec,
        string? runFolder,
        ITextTokenizer? tokenizer,
        int vocabularySize,
        bool saves = false,
        IProgress<DataProgress>? progress = null
    )
    {
        var folder = runFolder is null ? null : new RunFolder(runFolder);
        var samples = RunSamples.Open(spec, folder, saves && folder is not null, tokenizer, vocabularySize, progress);
        try
        {
            var sources = spec.Data.Train.Count;
            var files = samples.Index.Files.ToLookup(file => file.Part < sources, static file => file.Sha256);
            var data = new TrainingData(spec, samples)
            {
                TrainSha256 = Combined([.. files[true]]),
                ValidationSha256 = files[false].Any() ? Combined([.. files[false]]) : null,
            };
            data.RequireTargets(spec.Data.Train[0].Path);
            return data;
        }
        catch
        {
            samples.Dispose();
            throw;
        }
    }

    /// <summary>Whether a run's data needs the model's tokenizer.</summary>
    public static bool NeedsTokenizer(DataSpec data) =>
        data.Train.Any(static source => source.Format != DataFormat.Tokens)
        || data.Evaluation is not null
        || data.Validation is { Format: not (null or DataFormat.Tokens) };

    /// <summary>Leaves the index in a run's folder, for whoever reads the data next.</summary>
    /// <exception cref="PeftException">The folder cannot be written.</exception>
    public void SaveIndex(string runFolder) => samples.Index.Save(new RunFolder(runFolder).SampleIndex);

    /// <summary>Number of microbatches of a step (from 1).</summary>
    public int Microbatches(int step) => (int)((BatchSize(step) + (long)microbatch - 1) / microbatch);

    /// <summary>A microbatch.</summary>
    /// <param name="step">Step, from 1.</param>
    /// <param name="index">Index in the step, from 0.</param>
    /// <exception cref="PeftException">A sample of it is refused, or its file has changed.</exception>
    public Microbatch Get(int step, int index)
    {
        var size = BatchSize(step);
        var first = index * microbatch;
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(first, size, nameof(index));
        var chosen = new Row[Math.Min(microbatch, size - first)];
        for (var i = 0; i < chosen.Length; i++) chosen[i] = samples.TrainingRow(rows, RowOf(step, first + i));
        return MicrobatchBuilder.Build(chosen);
    }

    /// <summary>Number of learned tokens of a step's whole global batch.</summary>
    public int TargetTokens(int step)
    {
        var targets = 0;
        for (var i = BatchSize(step) - 1; i >= 0; i--) targets += samples.TrainingRow(rows, RowOf(step, i)).Targets;
        return targets;
    }

    /// <summary>
    /// The i-th sample (from 0) in the run's own order, as a microbatch of its own; after the last one it goes on with the next epoch.
    /// </summary>
    public Microbatch Sample(int i) =>
        MicrobatchBuilder.Build([samples.TrainingRow(rows, order.At(i / order.PerEpoch, i % order.PerEpoch))]);

    /// <inheritdoc/>
    public void Dispose() => samples.Dispose();

    /// <summary>The file's own hash; of several the hash over their hashes.</summary>
    private static string Combined(IReadOnlyList<string> hashes) => hashes.Count == 1
        ? hashes[0]
        : Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(string.Join('\n', hashes))));

    private int BatchSize(int step)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(step, 1);
        if (stepsPerEpoch is not { } perEpoch) return globalBatch;
        return (int)Math.Min(globalBatch, order.PerEpoch - (step - 1L) % perEpoch * globalBatch);
    }

    private int RowOf(int step, int sample)
    {
        if (stepsPerEpoch is { } perEpoch) return order.At((step - 1) / perEpoch, (step - 1) % perEpoch * globalBatch + sample);
        var place = (step - 1L) * globalBatch + sample;
        return order.At((int)(place / order.PerEpoch), (int)(place % order.PerEpoch));
    }

    private static RowOrder Order(RunSpec spec, IReadOnlyList<RowTable> sources)
    {
        if (!spec.Data.Train.Weighted) return new SampleOrder(spec.Seed, sources[0].Count, spec.Data.Shuffle);
        if (sources.Index().FirstOrDefault(static source => source.Item.Count == 0) is { Item: not null, Index: var empty })
            throw new PeftException(
                $"{spec.Data.Train[empty].Path}: no sample of this source is left for training beside data.validation.fraction; leave the "
                    + "source out, or name a validation file");
        var weighed = sources.Zip(spec.Data.Train, static (source, spec) => (source.Count, spec.Weight!.Value)).ToArray();
        return new MixedOrder(spec.Seed, weighed, spec.Data.Shuffle);
    }

    /// <summary>Refuses steps that would learn nothing, as far as lengths are known; the others show when they come.</summary>
    private void RequireTargets(string path)
    {
        var silent = samples.Silent();
        if (silent.Count == 0) return;
        bool IsSilent(int row) => Enumerable.Range(0, rows.SizeOf(row)).All(i => silent.Contains(rows[row, i]));
        if (Enumerable.Range(0, rows.Count).All(IsSilent))
            throw new PeftException($"{path}: no token of the data set is learned; every label is −100");
        for (var step = 1; step <= Steps; step++)
        {
            var batch = Enumerable.Range(0, BatchSize(step)).Select(i => RowOf(step, i));
            if (!batch.All(IsSilent)) continue;
            var lines = batch.Select(row => samples.Index.Entry(rows[row, 0]).Number).Order().Take(5);
            throw new PeftException(
                $"{path}: no token of step {step} is learned (lines {string.Join(", ", lines)}{(BatchSize(step) > 5 ? " …" : "")}); "
                    + "remove those lines or raise training.global_batch"
            );
        }
    }
}
