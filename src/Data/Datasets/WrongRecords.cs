using Peft.Orleans.Core;

namespace Peft.Orleans.Data.Datasets;

/// <summary>The records that are refused: the first ten in words, the others counted.</summary>
internal sealed class WrongRecords
{
    private const int Told = 10;
    private readonly List<string> first = [];

    /// <summary>How many there are.</summary>
    public long Count { get; private set; }

    /// <summary>Notes one.</summary>
    /// <param name="path">Its file.</param>
    /// <param name="place">Line, element or row.</param>
    /// <param name="number">Which, from 1.</param>
    /// <param name="why">What is wrong and what to do.</param>
    public void Add(string path, string place, int number, string why)
    {
        Count++;
        if (first.Count < Told) first.Add(At(path, place, number, why));
    }

    /// <summary>A refusal as it is told.</summary>
    public static string At(string path, string place, int number, string why) => $"{path}, {place} {number}: {why}";

    /// <summary>Refuses the data where something is wrong with it.</summary>
    /// <exception cref="PeftException">What was noted.</exception>
    public void Refuse()
    {
        if (Count == 0) return;
        var more = Count > Told ? $"\n… and {Count - Told:N0} more; {Count:N0} samples are wrong in all" : "";
        throw new PeftException(string.Join('\n', first) + more);
    }
}
