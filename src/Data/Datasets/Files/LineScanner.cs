namespace Peft.Orleans.Data.Datasets.Files;

/// <summary>JSON lines: a record is a line that is not blank.</summary>
internal static class LineScanner
{
    /// <summary>Calls back with every record.</summary>
    /// <param name="text">The text, at the beginning of a line.</param>
    /// <param name="number">That line's number, from 1.</param>
    /// <param name="take">Takes a record.</param>
    public static void Scan(TextBuffer text, int number, TakeRecord take)
    {
        var searched = 0;
        while (true)
        {
            var here = text.Here;
            var length = here[searched..].IndexOf((byte)'\n');
            if (length < 0)
            {
                searched = here.Length;
                if (text.More()) continue;
                Take(text.Here);
                return;
            }

            length += searched;
            searched = 0;
            Take(here[..length]);
            text.Skip(length + 1);
            number++;
        }

        void Take(ReadOnlySpan<byte> line)
        {
            if (line.ContainsAnyExcept(" \t\r"u8)) take(number, text.Offset, line);
        }
    }
}
