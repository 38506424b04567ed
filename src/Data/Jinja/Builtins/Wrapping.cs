using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Builtins;

/// <summary>The filter <c>wordwrap</c>: lines of at most a width, broken at blanks.</summary>
internal static class Wrapping
{
    public static string Wrap(string text, Arguments arguments, Meter meter)
    {
        var given = arguments.Bind("wordwrap", "width", "break_long_words", "wrapstring", "break_on_hyphens");
        var width = Filters.Count(given[0], 79, "wordwrap");
        if (width <= 0) throw JinjaException.Impossible($"invalid width {width} (must be > 0)");
        var ending = Types.Text(Filters.OrNone(given[2])) ?? "\n";
        var breaking = Filters.Flag(given[1], absent: true);
        var hyphens = Filters.Flag(given[3], absent: true);
        meter.Step(text.Length);
        meter.Write(text.Length * (2L + ending.Length));
        var lines = Splitting.Lines(text, keepEnds: false, meter)
            .Select(line => string.Join(ending, WrapLine((string)line!, width, breaking, hyphens)));
        return string.Join(ending, lines);
    }

    private static List<string> WrapLine(string line, int width, bool breaking, bool hyphens)
    {
        var chunks = new Stack<string>(Chunks(line, hyphens).Reverse());
        var lines = new List<string>();
        while (chunks.Count > 0)
        {
            if (lines.Count > 0 && string.IsNullOrWhiteSpace(chunks.Peek())) chunks.Pop();
            var (parts, length) = (new List<string>(), 0);
            while (chunks.TryPeek(out var next) && length + next.Length <= width)
            {
                parts.Add(chunks.Pop());
                length += next.Length;
            }

            if (chunks.TryPeek(out var large) && large.Length > width)
            {
                if (breaking)
                {
                    chunks.Pop();
                    parts.Add(large[..(width - length)]);
                    chunks.Push(large[(width - length)..]);
                }
                else if (parts.Count == 0)
                {
                    parts.Add(chunks.Pop());
                }
            }

            if (parts.Count > 0 && string.IsNullOrWhiteSpace(parts[^1])) parts.RemoveAt(parts.Count - 1);
            if (parts.Count > 0) lines.Add(string.Concat(parts));
        }

        return lines;
    }

    // Words, and the blanks between them; words part after hyphens between letters.
    private static IEnumerable<string> Chunks(string line, bool hyphens)
    {
        var start = 0;
        for (var i = 1; i <= line.Length; i++)
        {
            var ends = i == line.Length
                || PythonText.IsSpace(line[i]) != PythonText.IsSpace(line[i - 1])
                || (hyphens && line[i - 1] == '-' && i >= 3 && char.IsLetter(line[i - 2]) && char.IsLetter(line[i - 3])
                    && char.IsLetter(line[i]) && i + 1 < line.Length && char.IsLetter(line[i + 1]));
            if (!ends) continue;
            yield return line[start..i];
            start = i;
        }
    }
}
