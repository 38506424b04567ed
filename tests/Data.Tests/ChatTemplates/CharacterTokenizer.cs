using System.Text;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Data.Tests.ChatTemplates;

/// <summary>A token per UTF-16 unit, per special token, and per pair of line breaks: what is learned can be read off its labels.</summary>
internal sealed class CharacterTokenizer(params string[] special) : ITextTokenizer
{
    private const int First = 0x10000;
    private const int Breaks = 0xE000;

    public int VocabularySize => First + special.Length;

    public int? BosId => null;

    public int? EosId => special.Length > 0 ? First : null;

    public IReadOnlyCollection<string> SpecialTokens => special;

    public int[] Encode(string text, bool addSpecialTokens) => EncodeWithSpecials(text);

    public int[] EncodeWithSpecials(string text)
    {
        var ids = new List<int>();
        for (var i = 0; i < text.Length; i++)
        {
            var token = Array.FindIndex(special, token => text.AsSpan(i).StartsWith(token));
            if (token >= 0) ids.Add(First + token);
            else if (text.AsSpan(i).StartsWith("\n\n")) ids.Add(Breaks);
            else ids.Add(text[i]);
            i += token >= 0 ? special[token].Length - 1 : ids[^1] == Breaks ? 1 : 0;
        }

        return [.. ids];
    }

    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens)
    {
        var text = new StringBuilder();
        foreach (var id in ids) text.Append(id >= First ? special[id - First] : id == Breaks ? "\n\n" : ((char)id).ToString());
        return text.ToString();
    }

    public int? SpecialId(string token) => Array.IndexOf(special, token) is >= 0 and var at ? First + at : null;
}
