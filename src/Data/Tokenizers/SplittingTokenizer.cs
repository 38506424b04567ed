using System.Buffers;

namespace Peft.Orleans.Data.Tokenizers;

/// <summary>Adds special tokens to a tokenizer that knows none: their text is recognised only when asked for.</summary>
internal sealed class SplittingTokenizer : ITextTokenizer
{
    private readonly ITextTokenizer inner;
    private readonly IReadOnlyDictionary<string, int> special;
    private readonly Dictionary<int, string> texts;
    private readonly SearchValues<string> search;
    private readonly string[] longestFirst;
    private readonly bool addBos;
    private readonly bool addEos;

    public SplittingTokenizer(ITextTokenizer inner, IReadOnlyDictionary<string, int> special, int? bos, int? eos, bool addBos, bool addEos)
    {
        this.inner = inner;
        this.special = special;
        this.addBos = addBos;
        this.addEos = addEos;
        BosId = bos;
        EosId = eos;
        texts = special.ToDictionary(static pair => pair.Value, static pair => pair.Key);
        longestFirst = [.. special.Keys.OrderByDescending(static text => text.Length)];
        search = SearchValues.Create(longestFirst, StringComparison.Ordinal);
        VocabularySize = Math.Max(inner.VocabularySize, special.Count == 0 ? 0 : special.Values.Max() + 1);
    }

    /// <inheritdoc/>
    public int VocabularySize { get; }

    /// <inheritdoc/>
    public int? BosId { get; }

    /// <inheritdoc/>
    public int? EosId { get; }

    /// <inheritdoc/>
    public int[] Encode(string text, bool addSpecialTokens)
    {
        var ids = inner.Encode(text, addSpecialTokens: false);
        if (!addSpecialTokens) return ids;
        int[] before = addBos && BosId is { } bos ? [bos] : [];
        int[] after = addEos && EosId is { } eos ? [eos] : [];
        return [.. before, .. ids, .. after];
    }

    /// <inheritdoc/>
    public int[] EncodeWithSpecials(string text)
    {
        var ids = new List<int>();
        while (text.AsSpan().IndexOfAny(search) is var at and >= 0)
        {
            if (at > 0) ids.AddRange(inner.Encode(text[..at], addSpecialTokens: false));
            var token = longestFirst.First(token => text.AsSpan(at).StartsWith(token, StringComparison.Ordinal));
            ids.Add(special[token]);
            text = text[(at + token.Length)..];
        }

        if (text.Length > 0) ids.AddRange(inner.Encode(text, addSpecialTokens: false));
        return [.. ids];
    }

    /// <inheritdoc/>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens)
    {
        var text = new System.Text.StringBuilder();
        var start = 0;
        for (var i = 0; i <= ids.Length; i++)
        {
            if (i < ids.Length && !texts.ContainsKey(ids[i])) continue;
            if (i > start) text.Append(inner.Decode(ids[start..i], skipSpecialTokens));
            if (i < ids.Length && !skipSpecialTokens) text.Append(texts[ids[i]]);
            start = i + 1;
        }

        return text.ToString();
    }

    /// <inheritdoc/>
    public int? SpecialId(string token) => special.TryGetValue(token, out var id) ? id : null;

    /// <inheritdoc/>
    public IReadOnlyCollection<string> SpecialTokens => longestFirst;
}
