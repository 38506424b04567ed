using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Datasets.Files;
using Peft.Orleans.Data.Datasets.Formats;
using Peft.Orleans.Data.Datasets.Indexes;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Data.Datasets;

/// <summary>The samples of a run's files, training data first, and which of them train. Safe to use from several threads.</summary>
internal sealed class RunSamples : IDisposable
{
    // Keeps the choice of the validation samples apart from other draws from the same seed.
    private const ulong ValidationStream = 0x56414C4944;

    private readonly RunSpec spec;
    private readonly RecordStore store;
    private readonly IndexedSamples training;
    private readonly IndexedSamples validation;

    private RunSamples(RunSpec spec, SampleIndex index, IReadOnlyList<RecordReader> readers, RunFolder? folder)
    {
        (this.spec, Index) = (spec, index);
        store = new RecordStore(index.Files, folder);
        training = new IndexedSamples(index, readers, store);
        validation = new IndexedSamples(index, readers, store);
        var sources = Enumerable.Range(0, spec.Data.Train.Count).Select(index.Of).ToArray();
        var all = (First: 0, Count: sources.Sum(static source => source.Count));
        var held = Held(spec, all.Count);
        Sources = [.. (spec.Data.Train.Weighted ? sources : [all]).Select(source => ToRows(Kept(source, held, which: false)))];
        Validation = ToRows(held is null ? Kept(index.Of(sources.Length), null, which: true) : Kept(all, held, which: true));
    }

    /// <summary>Where the samples lie.</summary>
    public SampleIndex Index { get; }

    /// <summary>Rows of training samples: of each source where sources have weights, else of all together.</summary>
    public IReadOnlyList<RowTable> Sources { get; }

    /// <summary>Rows of validation samples.</summary>
    public RowTable Validation { get; }

    /// <summary>The samples of a run.</summary>
    /// <param name="spec">The run file; paths are absolute.</param>
    /// <param name="folder">The run's folder, with the index of an earlier reading; null: none.</param>
    /// <param name="saves">Whether an index that is made is left there.</param>
    /// <param name="tokenizer">The model's tokenizer; null is enough for format tokens.</param>
    /// <param name="vocabularySize">The model's <c>vocab_size</c>.</param>
    /// <param name="progress">Told how far the files are read, if they are.</param>
    /// <exception cref="PeftException">Names file and line of what is wrong.</exception>
    public static RunSamples Open(
        RunSpec spec,
        RunFolder? folder,
        bool saves,
        ITextTokenizer? tokenizer,
        int vocabularySize,
        IProgress<DataProgress>? progress
    )
    {
        DataPart Part(string path, DataFormat format, IReadOnlyDictionary<string, string>? columns)
        {
            var read = SampleFormat.Create(format, columns ?? spec.Data.Columns, spec, tokenizer);
            return new DataPart(path, DataFiles.Require(path), new RecordReader(read, spec.Data, vocabularySize));
        }

        var parts = spec.Data.Train.Select(source => Part(source.Path, source.Format, source.Columns)).ToList();
        if (spec.Data.Validation is { Path: { } held } source) parts.Add(Part(held, source.Format ?? spec.Data.Train[0].Format, null));
        var key = FileHash.OfText(
            RunFile.Write(new RunSpec { Model = new ModelSpec { Path = spec.Model.Path }, Data = spec.Data }) + vocabularySize);
        var place = folder?.SampleIndex;
        var index = (place is null ? null : SampleIndex.Open(place, key, [.. parts.Select(static part => part.Files)]))
            ?? DataPass.Run(saves ? place : null, key, spec.Data, parts, progress);
        return new RunSamples(spec, index, [.. parts.Select(static part => part.Reader)], folder);
    }

    /// <summary>A row of <see cref="Sources"/>, or of one put together of them.</summary>
    public Row TrainingRow(RowTable rows, int row) => Row(training, rows, row);

    /// <summary>A row of <see cref="Validation"/>.</summary>
    public Row ValidationRow(RowTable rows, int row) => Row(validation, rows, row);

    /// <summary>Samples of which no token is learned, as far as is known.</summary>
    public HashSet<int> Silent() =>
        [.. Index.Entries(0, Index.Count).Index().Where(static entry => !entry.Item.Learns).Select(static entry => entry.Index)];

    public void Dispose()
    {
        store.Dispose();
        Index.Dispose();
    }

    private static Row Row(IndexedSamples samples, RowTable rows, int row)
    {
        var taken = new Sample[rows.SizeOf(row)];
        for (var i = 0; i < taken.Length; i++) taken[i] = samples[rows[row, i]];
        return new Row(taken);
    }

    /// <summary>Which training samples are held back for validation; null: none, there is a file or no validation.</summary>
    private static bool[]? Held(RunSpec spec, int samples)
    {
        if (spec.Data.Validation is not { Fraction: { } fraction }) return null;
        if (samples < 2)
            throw new PeftException(
                $"{spec.Data.Train[0].Path}: data.validation.fraction needs at least two samples, there is {samples}"
            );
        var count = Math.Clamp((int)Math.Round(fraction * samples), 1, samples - 1);
        var held = new bool[samples];
        var order = new SplitMix64((ulong)spec.Seed, ValidationStream).Permutation(samples);
        foreach (var sample in order.AsSpan(0, count)) held[sample] = true;
        return held;
    }

    private static RowTable Kept((int First, int Count) samples, bool[]? held, bool which) => held is null
        ? RowTable.OneEach(samples.First, samples.Count)
        : RowTable.OneEach([.. Enumerable.Range(samples.First, samples.Count).Where(sample => held[sample] == which)]);

    private RowTable ToRows(RowTable samples)
    {
        if (!spec.Data.Packing) return samples;
        var numbers = new int[samples.Count];
        for (var i = 0; i < numbers.Length; i++) numbers[i] = samples[i, 0];
        var lengths = new int[numbers.Length];
        // Numbers ascend: the index is read once, from the first to the last.
        var (next, first) = (0, numbers.Length == 0 ? 0 : numbers[0]);
        foreach (var (i, entry) in Index.Entries(first, numbers.Length == 0 ? 0 : numbers[^1] - first + 1).Index())
        {
            if (numbers[next] == first + i) lengths[next++] = entry.Length;
        }

        return Packing.BestFit(numbers, lengths, spec.Data.MaxLength);
    }
}
