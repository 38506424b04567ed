namespace Peft.Orleans.Grains.RunFiles;

/// <summary>
/// What the journals of a run hold, kept by its coordinator from term to term: a folder that is lost is made anew from it.
/// </summary>
internal sealed class FolderCopy
{
    /// <summary>Lines of metrics.jsonl.</summary>
    internal JournalCopy Metrics { get; } = new();

    /// <summary>Lines of samples.jsonl.</summary>
    internal JournalCopy Samples { get; } = new();

    /// <summary>Lines of events.jsonl.</summary>
    internal JournalCopy Events { get; } = new();

    /// <summary>Whether the folder was lost and is not made anew yet.</summary>
    internal bool Away { get; set; }
}

/// <summary>The lines of a journal.</summary>
internal sealed class JournalCopy
{
    private readonly List<string> lines = [];

    /// <summary>The lines, in order.</summary>
    internal IReadOnlyList<string> Lines => lines;

    /// <summary>Whether they are all that the file held: it was read, or there was none.</summary>
    internal bool Whole { get; private set; }

    /// <summary>Takes what a file holds; lines that came without it follow.</summary>
    internal void Begin(IEnumerable<string> file)
    {
        if (Whole) return;
        var held = lines.ToHashSet(StringComparer.Ordinal);
        lines.InsertRange(0, [.. file.Where(line => !held.Contains(line))]);
        Whole = true;
    }

    internal void Add(string line) => lines.Add(line);

    /// <summary>The last line was not written, and is to come again.</summary>
    internal void TakeBack() => lines.RemoveAt(lines.Count - 1);
}
