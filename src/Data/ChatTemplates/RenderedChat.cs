using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Data.ChatTemplates;

/// <summary>A conversation as token ids.</summary>
/// <param name="Ids">Token ids.</param>
/// <param name="Learned">What is learned of them, in order.</param>
internal sealed record RenderedChat(int[] Ids, IReadOnlyList<Range> Learned)
{
    /// <summary>
    /// Encodes a rendered text and finds the tokens of spans in it. A token that reaches over a span's border is learned.
    /// </summary>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="text">The text; special tokens are written out in it.</param>
    /// <param name="spans">Spans of the text, in order.</param>
    internal static RenderedChat Encode(ITextTokenizer tokenizer, string text, IReadOnlyList<Range> spans)
    {
        var ids = tokenizer.EncodeWithSpecials(text);
        if (spans.Count == 0) return new RenderedChat(ids, []);
        return new RenderedChat(ids, InPieces(tokenizer, text, spans, ids) ?? ByPrefixes(tokenizer, text, spans, ids));
    }

    // Where pieces between the borders give the tokens of the whole, no token reaches over a border: the usual case, and the cheap one.
    private static List<Range>? InPieces(ITextTokenizer tokenizer, string text, IReadOnlyList<Range> spans, int[] ids)
    {
        var learned = new List<Range>(spans.Count);
        var (from, count) = (0, 0);
        foreach (var span in spans)
        {
            if (!Take(span.Start.Value)) return null;
            var first = count;
            if (!Take(span.End.Value)) return null;
            learned.Add(first..count);
        }

        return Take(text.Length) && count == ids.Length ? learned : null;

        bool Take(int to)
        {
            if (to == from) return true;
            var piece = tokenizer.EncodeWithSpecials(text[from..to]);
            from = to;
            if (!ids.AsSpan(count).StartsWith(piece)) return false;
            count += piece.Length;
            return true;
        }
    }

    private static List<Range> ByPrefixes(ITextTokenizer tokenizer, string text, IReadOnlyList<Range> spans, int[] ids)
    {
        var learned = new List<Range>(spans.Count);
        foreach (var span in spans)
        {
            var first = ids.AsSpan().CommonPrefixLength(tokenizer.EncodeWithSpecials(text[..span.Start.Value]));
            var until = tokenizer.EncodeWithSpecials(text[..span.End.Value]);
            var end = ids.AsSpan().CommonPrefixLength(until);
            if (end < until.Length)
            {
                var rest = tokenizer.EncodeWithSpecials(text[span.End.Value..]);
                end = Math.Max(end, ids.Length - CommonSuffix(ids, rest));
            }

            learned.Add(first..Math.Max(first, end));
        }

        return learned;
    }

    private static int CommonSuffix(int[] a, int[] b)
    {
        var length = 0;
        while (length < a.Length && length < b.Length && a[^(length + 1)] == b[^(length + 1)]) length++;
        return length;
    }
}
