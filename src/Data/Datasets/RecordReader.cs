using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Datasets.Formats;

namespace Peft.Orleans.Data.Datasets;

/// <summary>Makes samples of a source's records; what is wrong with a record is a <see cref="FormatException"/>.</summary>
/// <param name="format">The source's format.</param>
/// <param name="data">The run file's section.</param>
/// <param name="vocabularySize">The model's <c>vocab_size</c>.</param>
internal sealed class RecordReader(SampleFormat format, DataSpec data, int vocabularySize)
{
    /// <summary>Whether a record's check costs no less than reading it.</summary>
    public bool IsTokens => format.IsTokens;

    /// <summary>The samples of a record; null stands for one that is left out for its length.</summary>
    public Sample?[] Read(ReadOnlyMemory<byte> text, int number)
    {
        using var document = JsonRecord.Parse(text);
        var read = format.ReadAll(document.RootElement);
        return [.. read.Select(sample => Fit(new Sample(sample.Ids, sample.Labels, number)))];
    }

    /// <summary>One of a record's samples, which was not left out.</summary>
    public Sample Read(ReadOnlyMemory<byte> text, int number, int part)
    {
        using var document = JsonRecord.Parse(text);
        var (ids, labels) = format.ReadAll(document.RootElement)[part];
        return Fit(new Sample(ids, labels, number))!;
    }

    /// <summary>Refuses what shows without tokens: broken text, missing fields, fields that would be ignored.</summary>
    public void Check(ReadOnlyMemory<byte> text)
    {
        using var document = JsonRecord.Parse(text);
        format.Check(document.RootElement);
    }

    private Sample? Fit(Sample sample)
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
