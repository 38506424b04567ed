using System.IO.Hashing;
using System.Runtime.InteropServices;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Datasets.Files;
using Peft.Orleans.Data.Files;

namespace Peft.Orleans.Data.Datasets.Indexes;

/// <summary>A source as a pass reads it.</summary>
/// <param name="Path">What the run file says.</param>
/// <param name="Files">Its files.</param>
/// <param name="Reader">Makes samples of its records.</param>
internal sealed record DataPart(string Path, IReadOnlyList<string> Files, RecordReader Reader);

/// <summary>
/// The one pass over a run's data: hashes the files, checks their records and notes where samples lie. Data up to
/// <see cref="WholeBytes"/>, and any whose lengths decide which samples there are, are tokenised in it; of larger data the beginning of
/// every source is, and of the rest all that shows without tokens.
/// </summary>
internal sealed class DataPass
{
    /// <summary>Files of together so many bytes are tokenised whole: some seconds to half a minute, by the tokenizer.</summary>
    public const long WholeBytes = 64L << 20;

    /// <summary>Of larger ones so many bytes of each source's text are.</summary>
    public const long FirstBytes = 4L << 20;

    private readonly IndexWriter writer;
    private readonly WrongRecords wrong = new();
    private readonly List<IndexedFile> files = [];
    private readonly ProgressSum progress;
    private readonly bool whole;
    private Outcome[] outcomes = [];

    private DataPass(IndexWriter writer, DataSpec data, IReadOnlyList<DataPart> parts, IProgress<DataProgress>? progress)
    {
        this.writer = writer;
        var total = parts.Sum(static part => part.Files.Sum(static file => FileStamp.Of(file)?.Size ?? 0));
        whole = total <= WholeBytes || data.Packing || data.OnLong == LongSamplePolicy.Drop || data.MultiTurn == MultiTurn.Split;
        this.progress = new ProgressSum(total, progress);
    }

    /// <summary>Makes the index of a run's data.</summary>
    /// <param name="place">Where it will lie; null: nowhere, it is gone with the process.</param>
    /// <param name="key">Hash of all settings that the entries depend on.</param>
    /// <param name="data">The run file's section.</param>
    /// <param name="parts">The sources, training data first.</param>
    /// <param name="progress">Told how far it is.</param>
    /// <exception cref="PeftException">The first ten records that are wrong, and how many are; or a file is.</exception>
    public static SampleIndex Run(
        string? place,
        string key,
        DataSpec data,
        IReadOnlyList<DataPart> parts,
        IProgress<DataProgress>? progress
    )
    {
        using var writer = new IndexWriter(place);
        var pass = new DataPass(writer, data, parts, progress);
        foreach (var (i, part) in parts.Index()) pass.Read(i, part, data.MaxLength);
        pass.wrong.Refuse();
        return new SampleIndex(writer.Finish(key, pass.files), place, pass.files);
    }

    private void Read(int number, DataPart part, int maxLength)
    {
        var left = whole || part.Reader.IsTokens ? long.MaxValue : FirstBytes;
        var (samples, dropped, before) = (0L, 0L, wrong.Count);
        foreach (var path in part.Files)
        {
            // The stamp is taken first: a file that changes while it is read has another when the index is looked at.
            var stamp = FileStamp.Of(path) ?? throw new PeftException($"{path}: data file not found");
            var file = new RecordFile(path);
            progress.Begin(path);
            var (fileSamples, fileDropped) = (0L, 0L);
            var (sha256, textBytes) = RecordBatches.Read(
                file,
                batch =>
                {
                    var (more, without) = Take(path, file.Place, batch, part.Reader, left > 0);
                    left -= batch.Length;
                    fileSamples += more;
                    fileDropped += without;
                },
                progress);
            if (FileStamp.Of(path) != stamp) throw new PeftException($"{path} changed while it was read; start again once it is whole");
            FileStamp.Know(path, stamp, sha256);
            (samples, dropped) = (samples + fileSamples, dropped + fileDropped);
            if (files.Sum(static file => (long)file.Samples) + fileSamples > int.MaxValue)
                throw new PeftException($"{path}: more than {int.MaxValue:N0} samples in all; leave some out");
            files.Add(new IndexedFile(
                number, path, stamp, sha256, file.Place, !file.IsPlain, file.IsPlain ? 0 : textBytes, (int)fileSamples, (int)fileDropped));
        }

        if (samples == 0 && wrong.Count == before)
            throw new PeftException(
                dropped == 0
                    ? $"{part.Path}: the data set is empty"
                    : $"{part.Path}: all {dropped} samples are longer than data.max_length {maxLength}"
            );
    }

    private (int Samples, int Dropped) Take(string path, string place, BatchOfRecords batch, RecordReader reader, bool tokenise)
    {
        var records = batch.Records;
        if (outcomes.Length < records.Count) outcomes = new Outcome[records.Count];
        Parallel.For(0, records.Count, i => outcomes[i] = Read(records[i], batch.TextOf(records[i]), reader, tokenise));
        var (samples, dropped) = (0, 0);
        for (var i = 0; i < records.Count; i++)
        {
            ref readonly var outcome = ref outcomes[i];
            if (outcome.Error is PeftException error) throw error;
            if (outcome.Error is { } refused) wrong.Add(path, place, records[i].Number, refused.Message);
            if (outcome.Error is not null) continue;
            if (outcome.Several is { } several) writer.Add(several);
            else writer.Add([outcome.One]);
            samples += outcome.Several?.Length ?? 1;
            dropped += outcome.Dropped;
        }

        return (samples, dropped);
    }

    private static Outcome Read(BatchedRecord record, ReadOnlyMemory<byte> text, RecordReader reader, bool tokenise)
    {
        try
        {
            var hash = HashOf(text.Span);
            if (!tokenise)
            {
                reader.Check(text);
                return new Outcome(new SampleEntry(record.Offset, record.Bytes, record.Number, hash), null, 0, null);
            }

            var samples = reader.Read(text, record.Number);
            var entries = new List<SampleEntry>(samples.Length);
            foreach (var (part, sample) in samples.Index())
            {
                if (sample is null) continue;
                entries.Add(new SampleEntry(
                    record.Offset, record.Bytes, record.Number, hash, part, sample.Ids.Length, learns: sample.Targets > 0));
            }

            return new Outcome(default, [.. entries], samples.Length - entries.Count, null);
        }
        catch (Exception error) when (error is FormatException or PeftException)
        {
            return new Outcome(default, null, 0, error);
        }
    }

    /// <summary>Hash of a record's text, by which it is known again.</summary>
    internal static uint HashOf(ReadOnlySpan<byte> text) => (uint)XxHash3.HashToUInt64(text);

    /// <param name="One">The entry of the record's only sample, where there are not several.</param>
    /// <param name="Several">Entries of its samples; null: one.</param>
    /// <param name="Dropped">Samples left out for their length.</param>
    /// <param name="Error">Why the record is refused.</param>
    private readonly record struct Outcome(SampleEntry One, SampleEntry[]? Several, int Dropped, Exception? Error);
}
