using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Datasets.Formats;

namespace Peft.Orleans.Data.Datasets;

/// <summary>A data file, tokenised.</summary>
/// <param name="Samples">Samples in the order of the file.</param>
/// <param name="Dropped">Samples left out because they are too long.</param>
/// <param name="Sha256">sha256 of the file.</param>
internal sealed record DatasetFile(IReadOnlyList<Sample> Samples, int Dropped, string Sha256)
{
    private const int BatchSize = 2048;

    public static DatasetFile Read(string path, SampleFormat format, DataSpec data, int vocabularySize)
    {
        var samples = new List<Sample>();
        var dropped = 0;
        var sha256 = JsonLines.Read(path, BatchSize, batch =>
        {
            var results = new (IReadOnlyList<Sample> Samples, int Dropped, Exception? Error)[batch.Count];
            Parallel.For(0, batch.Count, i => results[i] = TryRead(batch[i].Number, batch[i].Text, format, data, vocabularySize));
            foreach (var ((number, _), (read, tooLong, error)) in batch.Zip(results))
            {
                // The first bad line of the file is reported, whichever thread met its bad line first.
                if (error is FormatException) throw new PeftException($"{path}, line {number}: {error.Message}", error);
                if (error is not null) throw error;
                dropped += tooLong;
                samples.AddRange(read);
            }
        });
        if (samples.Count == 0)
            throw new PeftException(
                dropped == 0
                    ? $"{path}: the data set is empty"
                    : $"{path}: all {dropped} samples are longer than data.max_length {data.MaxLength}"
            );
        return new DatasetFile(samples, dropped, sha256);
    }

    private static (IReadOnlyList<Sample>, int, Exception?) TryRead(
        int number,
        ReadOnlyMemory<byte> text,
        SampleFormat format,
        DataSpec data,
        int vocabularySize
    )
    {
        try
        {
            var samples = ReadLine(number, text, format, data, vocabularySize);
            return ([.. samples.OfType<Sample>()], samples.Count(static sample => sample is null), null);
        }
        catch (Exception error) when (error is FormatException or PeftException)
        {
            return ([], 0, error);
        }
    }

    // Null stands for a sample that is dropped.
    private static Sample?[] ReadLine(int number, ReadOnlyMemory<byte> text, SampleFormat format, DataSpec data, int vocabularySize)
    {
        using var document = JsonLines.Parse(text);
        var read = format.ReadAll(document.RootElement);
        return [.. read.Select(sample => Fit(new Sample(sample.Ids, sample.Labels, number), format, data, vocabularySize))];
    }

    private static Sample? Fit(Sample sample, SampleFormat format, DataSpec data, int vocabularySize)
    {
        if (sample.Ids.Length == 0) throw new FormatException("the sample has no tokens");
        var (ids, labels) = (sample.Ids, sample.Labels);
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
            format is TokensFormat ? "" : "; tokenizer and model do not belong together"
        );
        return sample;
    }
}
