using System.Globalization;
using Peft.Orleans.Data.Datasets.Indexes;

namespace Peft.Orleans.Client.Output;

/// <summary>
/// How far a reading of data files is, once it takes longer than a moment: <c>reading train.jsonl: 1.2 of 2.0 GB</c>. On a terminal one
/// line that is redrawn, elsewhere a line now and then.
/// </summary>
internal sealed class ReadingLine(Terminal terminal, TimeProvider time) : IProgress<DataProgress>
{
    private static readonly TimeSpan Redrawn = TimeSpan.FromSeconds(0.2);
    private static readonly TimeSpan Told = TimeSpan.FromSeconds(5);

    private readonly TimeSpan pause = terminal.Animated ? Redrawn : Told;
    private readonly long begun = time.GetTimestamp();
    private TimeSpan next = TimeSpan.FromSeconds(1);
    private int drawn;

    /// <inheritdoc/>
    public void Report(DataProgress value)
    {
        var now = time.GetElapsedTime(begun);
        if (now < next) return;
        next = now + pause;
        var text = Text(value);
        if (terminal.Animated)
        {
            terminal.Error.Write("\r" + text.PadRight(drawn));
            drawn = text.Length;
        }
        else
        {
            terminal.Note(text);
        }
    }

    /// <summary>Takes the line away.</summary>
    public void End()
    {
        if (drawn > 0) terminal.Error.Write("\r" + new string(' ', drawn) + "\r");
        drawn = 0;
    }

    /// <summary>The line.</summary>
    internal static string Text(DataProgress value)
    {
        var (unit, name) = value.Total >= 1_000_000_000 ? (1e9, "GB") : (1e6, "MB");
        return string.Create(
            CultureInfo.InvariantCulture,
            $"reading {Path.GetFileName(value.Path)}: {value.Read / unit:0.0} of {value.Total / unit:0.0} {name}");
    }
}
