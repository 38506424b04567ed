using System.Text;
using System.Text.Json;

namespace Peft.Orleans.Data.Tokenizers;

/// <summary>
/// What a <c>tokenizer.json</c> may not hold because of the native library that reads it: it would end the whole process, or give the same
/// text other tokens each time.
/// </summary>
internal static class NativeLimits
{
    /// <summary>
    /// The library reads JSON more strictly than .NET does, and ends the whole process over halves of surrogate pairs and numbers that no
    /// double holds.
    /// </summary>
    public static void RequireStrictJson(byte[] json)
    {
        var reader = new Utf8JsonReader(json);
        while (reader.Read())
        {
            if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName && reader.ValueIsEscaped)
                _ = reader.GetString();
            else if (reader.TokenType == JsonTokenType.Number && !(reader.TryGetDouble(out var number) && double.IsFinite(number)))
                throw new FormatException($"the number {Encoding.UTF8.GetString(reader.ValueSpan)} is out of range");
        }
    }

    /// <summary>Merges left out at random are no function of the text.</summary>
    /// <exception cref="FormatException">The value is neither null nor 0.</exception>
    public static void RequireNoDropout(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.Null || (reader.TokenType == JsonTokenType.Number && reader.GetDouble() == 0)) return;
        var found = reader.TokenType == JsonTokenType.Number ? Encoding.UTF8.GetString(reader.ValueSpan) : "no number";
        throw new FormatException(
            $"model.dropout is {found}: merges left out at random give the same text other tokens each time; write \"dropout\": null"
        );
    }

    /// <summary>The library ends the whole process where a merge's second part is shorter than the mark of subwords.</summary>
    /// <param name="marksSubwords">Whether the model has a <c>continuing_subword_prefix</c>.</param>
    /// <param name="merges">Whether it has <c>merges</c>.</param>
    /// <exception cref="FormatException">It has both.</exception>
    public static void RequireUnmarkedMerges(bool marksSubwords, bool merges)
    {
        if (marksSubwords && merges)
            throw new FormatException("model.continuing_subword_prefix is not supported beside model.merges; write \"\" or null");
    }
}
