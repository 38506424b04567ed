using System.Security.Cryptography;
using System.Text;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Datasets.Formats;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Data.Datasets;

/// <summary>
/// The tokenised data of a run. Microbatch (step, index) is a pure function of the run file and the data: every silo that loads the
/// same files gets the same microbatches. Safe to use from several threads.
/// </summary>
public sealed class TrainingData
{
    // Keeps the choice of the validation samples apart from other draws from the same seed.
    private const ulong ValidationStream = 0x56414C4944;

    private readonly Row[] rows;
    private readonly RowOrder order;
    private readonly int globalBatch;
    private readonly int microbatch;
    private readonly int? stepsPerEpoch;

    private TrainingData(RunSpec spec, Row[] rows, RowOrder order)
    {
        this.rows = rows;
        this.order = order;
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
    public int Dropped { get; private init; }

    /// <summary>sha256 of the training file, in hexadecimal.</summary>
    public string TrainSha256 { get; private init; } = "";

    /// <summary>sha256 of the validation file; null where there is none.</summary>
    public string? ValidationSha256 { get; private init; }

    /// <summary>Validation microbatches, in the order of the file; empty without validation.</summary>
    public IReadOnlyList<Microbatch> Validation { get; private init; } = [];

    /// <summary>Loads and tokenises the data of a run.</summary>
    /// <param name="spec">The run file; paths are absolute.</param>
    /// <param name="resolvePath">Where a data path really lies; null: where it says.</param>
    /// <param name="tokenizer">The model's tokenizer; null is enough for format tokens.</param>
    /// <param name="vocabularySize">The model's <c>vocab_size</c>.</param>
    /// <exception cref="PeftException">Names file and line of what is wrong.</exception>
    public static TrainingData Load(RunSpec spec, Func<string, string>? resolvePath, ITextTokenizer? tokenizer, int vocabularySize)
    {
        var wrong = new WrongRecords();
        DatasetFile Read(string path, DataFormat format, IReadOnlyDictionary<string, string>? columns) =>
            DatasetFile.Read(
                resolvePath is null ? path : resolvePath(path),
                SampleFormat.Create(format, columns ?? spec.Data.Columns, spec, tokenizer),
                spec.Data,
                vocabularySize,
                wrong
            );

        var sources = spec.Data.Train.Select(source => Read(source.Path, source.Format, source.Columns)).ToArray();
        IReadOnlyList<Sample> samples =
            [.. sources.SelectMany(static (source, i) => source.Samples.Select(sample => sample with { Source = i }))];
        var (held, dropped) = ((IReadOnlyList<Sample>)[], sources.Sum(static source => source.Dropped));
        string? validationSha256 = null;
        if (spec.Data.Validation is { Path: { } path } source)
        {
            var validation = Read(path, source.Format ?? spec.Data.Train[0].Format, null);
            (held, dropped, validationSha256) = (validation.Samples, dropped + validation.Dropped, Combined(validation.Sha256));
        }

        wrong.Refuse();
        if (spec.Data.Validation is { Fraction: { } fraction })
        {
            (samples, held) = Split(spec, samples, fraction);
        }

        var (rows, order) = Ordered(spec, samples);
        var data = new TrainingData(spec, rows, order)
        {
            Dropped = dropped,
            TrainSha256 = Combined([.. sources.SelectMany(static source => source.Sha256)]),
            ValidationSha256 = validationSha256,
            Validation = [.. ToRows(spec, held).Chunk(spec.Training.Microbatch).Select(MicrobatchBuilder.Build)],
        };
        data.RequireTargets(spec.Data.Train[0].Path);
        return data;
    }

    /// <summary>Whether a run's data needs the model's tokenizer.</summary>
    public static bool NeedsTokenizer(DataSpec data) =>
        data.Train.Any(static source => source.Format != DataFormat.Tokens)
        || data.Evaluation is not null
        || data.Validation is { Format: not (null or DataFormat.Tokens) };

    /// <summary>Number of microbatches of a step (from 1).</summary>
    public int Microbatches(int step) => (int)((BatchSize(step) + (long)microbatch - 1) / microbatch);

    /// <summary>A microbatch.</summary>
    /// <param name="step">Step, from 1.</param>
    /// <param name="index">Index in the step, from 0.</param>
    public Microbatch Get(int step, int index)
    {
        var size = BatchSize(step);
        var first = index * microbatch;
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(first, size, nameof(index));
        var chosen = new Row[Math.Min(microbatch, size - first)];
        for (var i = 0; i < chosen.Length; i++) chosen[i] = rows[RowOf(step, first + i)];
        return MicrobatchBuilder.Build(chosen);
    }

    /// <summary>Number of learned tokens of a step's whole global batch.</summary>
    public int TargetTokens(int step)
    {
        var targets = 0;
        for (var i = BatchSize(step) - 1; i >= 0; i--) targets += rows[RowOf(step, i)].Targets;
        return targets;
    }

    /// <summary>
    /// The i-th sample (from 0) in the run's own order, as a microbatch of its own; after the last one it goes on with the next epoch.
    /// </summary>
    public Microbatch Sample(int i) => MicrobatchBuilder.Build([rows[order.At(i / order.PerEpoch, i % order.PerEpoch)]]);

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

    private static (Row[] Rows, RowOrder Order) Ordered(RunSpec spec, IReadOnlyList<Sample> samples)
    {
        if (!spec.Data.Train.Weighted)
        {
            var all = ToRows(spec, samples);
            return (all, new SampleOrder(spec.Seed, all.Length, spec.Data.Shuffle));
        }

        Row[][] rows = [.. spec.Data.Train.Select((_, i) => ToRows(spec, [.. samples.Where(sample => sample.Source == i)]))];
        if (Array.FindIndex(rows, static source => source.Length == 0) is var empty and >= 0)
            throw new PeftException(
                $"{spec.Data.Train[empty].Path}: no sample of this source is left for training beside data.validation.fraction; leave the "
                    + "source out, or name a validation file");
        var weighed = rows.Zip(spec.Data.Train, static (source, spec) => (source.Length, spec.Weight!.Value)).ToArray();
        return ([.. rows.SelectMany(static source => source)], new MixedOrder(spec.Seed, weighed, spec.Data.Shuffle));
    }

    private static Row[] ToRows(RunSpec spec, IReadOnlyList<Sample> samples) =>
        spec.Data.Packing ? Packing.BestFit(samples, spec.Data.MaxLength) : Packing.None(samples);

    private static (IReadOnlyList<Sample> Train, IReadOnlyList<Sample> Validation) Split(
        RunSpec spec,
        IReadOnlyList<Sample> samples,
        double fraction
    )
    {
        if (samples.Count < 2)
            throw new PeftException(
                $"{spec.Data.Train[0].Path}: data.validation.fraction needs at least two samples, there is {samples.Count}"
            );
        var count = Math.Clamp((int)Math.Round(fraction * samples.Count), 1, samples.Count - 1);
        var held = new SplitMix64((ulong)spec.Seed, ValidationStream).Permutation(samples.Count).Take(count).ToHashSet();
        return ([.. samples.Where((_, i) => !held.Contains(i))], [.. samples.Where((_, i) => held.Contains(i))]);
    }

    private void RequireTargets(string path)
    {
        if (Array.TrueForAll(rows, static row => row.Targets > 0))
            return;
        if (Array.TrueForAll(rows, static row => row.Targets == 0))
            throw new PeftException($"{path}: no token of the data set is learned; every label is −100");
        for (var step = 1; step <= Steps; step++)
        {
            if (TargetTokens(step) > 0) continue;
            var lines = Enumerable.Range(0, BatchSize(step)).Select(i => rows[RowOf(step, i)].Samples[0].Line).Order().Take(5);
            throw new PeftException(
                $"{path}: no token of step {step} is learned (lines {string.Join(", ", lines)}{(BatchSize(step) > 5 ? " …" : "")}); "
                    + "remove those lines or raise training.global_batch"
            );
        }
    }
}
