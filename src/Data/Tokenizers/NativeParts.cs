using System.Buffers.Binary;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Peft.Orleans.Data.Tokenizers;

/// <summary>
/// Parts of a <c>tokenizer.json</c> (normalizer, pre_tokenizer, decoder) at which the native library ends the whole process, when it reads
/// them or at some text later; found by trying each of its parts at its extremes.
/// </summary>
internal static partial class NativeParts
{
    // A charsmap is the size of its trie, the trie in blocks of 256 units, and the texts.
    private const int TrieBlock = 256 * sizeof(uint);

    /// <summary>Looks through a part and those within it.</summary>
    /// <param name="name">Its key, for messages.</param>
    /// <param name="part">The part.</param>
    /// <exception cref="FormatException">It holds what the library cannot bear; names part and key.</exception>
    public static void Require(string name, JsonElement part)
    {
        if (part.ValueKind == JsonValueKind.Array)
        {
            foreach (var item in part.EnumerateArray()) Require(name, item);
        }

        if (part.ValueKind != JsonValueKind.Object) return;
        var type = Text(part, "type");
        if (Fault(name, type, part) is { } fault) throw new FormatException($"{name} {type}: {fault}");
        foreach (var inner in part.EnumerateObject()) Require(name, inner.Value);
    }

    private static string? Fault(string name, string? type, JsonElement part) => type switch
    {
        "Replace" when name == "normalizer" && Pattern(part) is { } pattern && MatchesNothing(pattern) =>
            "its pattern fits where no character is; give it one that takes at least one",
        "Replace" or "Split" when Pattern(part) is { IsRegex: true } pattern && RegexBacktracking.Fault(pattern.Text) is { } fault =>
            $"{fault} ({pattern.Text})",
        "Prepend" when Text(part, "prepend") == "" => "prepend is empty; remove it",
        "Precompiled" when !IsCharsmap(Text(part, "precompiled_charsmap")) =>
            "precompiled_charsmap is not one; take the file of the original model",
        "FixedLength" when !(Number(part, "length") >= 1) => "length must be at least 1",
        "Strip" when name == "decoder" && Number(part, "stop") != 0 => "stop must be 0: a token shorter than it has no end to strip",
        _ => null,
    };

    private static (string Text, bool IsRegex)? Pattern(JsonElement part)
    {
        if (!part.TryGetProperty("pattern", out var pattern) || pattern.ValueKind != JsonValueKind.Object) return null;
        return Text(pattern, "Regex") is { } regex ? (regex, true) : Text(pattern, "String") is { } text ? (text, false) : null;
    }

    /// <summary>Whether a pattern fits where no character is; regexes that .NET does not know are taken to need one.</summary>
    private static bool MatchesNothing((string Text, bool IsRegex) pattern)
    {
        if (!pattern.IsRegex) return pattern.Text.Length == 0;
        try
        {
            return Regex.IsMatch("", Look().Replace(pattern.Text, ""), RegexOptions.None, TimeSpan.FromSeconds(1));
        }
        catch (Exception error) when (error is ArgumentException or RegexMatchTimeoutException)
        {
            return false;
        }
    }

    private static bool IsCharsmap(string? text)
    {
        var bytes = new byte[(text?.Length ?? 0) / 4 * 3 + 3];
        return text is not null
            && Convert.TryFromBase64String(text, bytes, out var length)
            && length >= sizeof(uint) + TrieBlock
            && BinaryPrimitives.ReadUInt32LittleEndian(bytes) is var trie
            && trie % TrieBlock == 0
            && trie >= TrieBlock
            && trie <= length - sizeof(uint);
    }

    private static string? Text(JsonElement part, string key) =>
        part.TryGetProperty(key, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static double? Number(JsonElement part, string key) =>
        part.TryGetProperty(key, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;

    // What looks at characters and takes none.
    [GeneratedRegex(@"\(\?<?[=!][^()]*\)|\\[bB]")]
    private static partial Regex Look();
}
