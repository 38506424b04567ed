using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Datasets.Files;
using Peft.Orleans.Data.Datasets.Formats;

namespace Peft.Orleans.Data.Datasets;

/// <summary>The files of a source, tokenised.</summary>
/// <param name="Samples">Samples in the order of the files.</param>
/// <param name="Dropped">Samples left out because they are too long.</param>
/// <param name="Sha256">sha256 of each file.</param>
internal sealed record DatasetFile(IReadOnlyList<Sample> Samples, int Dropped, IReadOnlyList<string> Sha256)
{
    private const int BatchSize = 2048;
    private const int BatchBytes = 16 << 20;

    public static DatasetFile Read(string path, SampleFormat format, DataSpec data, int vocabularySize, WrongRecords wrong)
    {
        var samples = new List<Sample>();
        var hashes = new List<string>();
        var dropped = 0;
        foreach (var name in DataFiles.Require(path))
        {
            var file = new RecordFile(name);
            hashes.Add(RecordBatches.Read(file, BatchSize, BatchBytes, batch =>
            {
                var results = new (Sample?[] Samples, Exception? Error)[batch.Count];
                Parallel.For(0, batch.Count, i => results[i] = TryRead(batch[i].Number, batch[i].Text, format, data, vocabularySize));
                foreach (var ((number, _), (read, error)) in batch.Zip(results))
                {
                    if (error is PeftException) throw error;
                    if (error is not null) wrong.Add(name, file.Place, number, error.Message);
                    dropped += read.Count(static sample => sample is null);
                    samples.AddRange(read.OfType<Sample>());
                }
            }));
        }

        if (samples.Count == 0 && wrong.Count == 0)
            throw new PeftException(
                dropped == 0
                    ? $"{path}: the data set is empty"
                    : $"{path}: all {dropped} samples are longer than data.max_length {data.MaxLength}"
            );
        return new DatasetFile(samples, dropped, hashes);
    }

    private static (Sample?[], Exception?) TryRead(
        int number,
        ReadOnlyMemory<byte> text,
        SampleFormat format,
        DataSpec data,
        int vocabularySize
    )
    {
        try
        {
            return (ReadRecord(number, text, format, data, vocabularySize), null);
        }
        catch (Exception error) when (error is FormatException or PeftException)
        {
            return ([], error);
        }
    }

    // Null stands for a sample that is dropped.
    private static Sample?[] ReadRecord(int number, ReadOnlyMemory<byte> text, SampleFormat format, DataSpec data, int vocabularySize)
    {
        using var document = JsonRecord.Parse(text);
        var read = format.ReadAll(document.RootElement);
        return [.. read.Select(sample => Fit(new Sample(sample.Ids, sample.Labels, number), format, data, vocabularySize))];
    }

    private static Sample? Fit(Sample sample, SampleFormat format, DataSpec data, int vocabularySize)
    {
        var (ids, labels) = (sample.Ids, sample.Labels);
        if (ids.Length == 0) throw new FormatException("the sample has no tokens");
        if (ids.Length > data.MaxLength)
        {
            switch (data.OnLong)
            {
                case LongSamplePolicy.Drop:
                    return null;
                case LongSamplePolicy.Truncate:
                    sample = sample.Truncate(data.MaxLength);
                    break;
                default:
                    throw new FormatException(
                        $"the sample has {ids.Length} tokens, more than data.max_length {data.MaxLength}; raise it, or set data.on_long to "
                            + "truncate or drop"
                    );
            }
        }

        TokensFormat.CheckVocabulary(
            ids,
            labels,
            vocabularySize,
            format.IsTokens ? "" : "; tokenizer and model do not belong together"
        );
        return sample;
    }
}
