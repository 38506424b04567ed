using Peft.Orleans.Core;

namespace Peft.Orleans.Data.Datasets.Indexes;

/// <summary>
/// A run's samples by number: read where they lie, and made anew whenever they are asked for. Some are kept, so that small data are read
/// once. Safe to use from several threads.
/// </summary>
/// <param name="index">Where they lie.</param>
/// <param name="readers">Makes samples, of each source.</param>
/// <param name="store">Reads their records.</param>
internal sealed class IndexedSamples(SampleIndex index, IReadOnlyList<RecordReader> readers, RecordStore store)
{
    /// <summary>Samples of together so many tokens are kept: 16 MB, of ids and labels.</summary>
    private const int MostKept = 1 << 21;

    private readonly Dictionary<int, Sample> kept = [];
    private int keptTokens;

    /// <summary>A sample.</summary>
    /// <exception cref="PeftException">It is refused, or its file has changed; names file and line.</exception>
    public Sample this[int number]
    {
        get
        {
            lock (kept)
            {
                if (kept.TryGetValue(number, out var known)) return known;
            }

            var sample = Read(number);
            lock (kept)
            {
                // In a shuffled epoch the first are as good as any: none comes again before all have come.
                if (keptTokens + sample.Ids.Length <= MostKept && kept.TryAdd(number, sample)) keptTokens += sample.Ids.Length;
            }

            return sample;
        }
    }

    private Sample Read(int number)
    {
        var (at, entry) = (index.FileOf(number), index.Entry(number));
        var file = index.Files[at];
        try
        {
            return readers[file.Part].Read(store.Read(at, entry), entry.Number, entry.Part);
        }
        catch (FormatException error)
        {
            throw file.Refused(entry.Number, error.Message);
        }
    }
}
