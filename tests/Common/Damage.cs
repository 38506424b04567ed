using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using CsCheck;

namespace Peft.Orleans.Tests;

/// <summary>Files as they come out of broken downloads, other programs and hurried hands, derived from a valid one.</summary>
internal static partial class Damage
{
    // Wrong types, nothing, extremes, and texts that no decoder likes.
    private static readonly string[] Values =
    [
        "null",
        "true",
        "\"\"",
        "\"x\"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"../../x\"",
        "-1",
        "0",
        "3",
        "1.5",
        "1e999",
        "-1e-999",
        "2147483647",
        "-2147483648",
        "2147483648",
        "9223372036854775807",
        "9223372036854775808",
        "NaN",
        "[]",
        "{}",
        "[null]",
        "[[]]",
        "[-1]",
        "{\"a\":null}",
        "[1,2,3]",
        "{\"a\":1,\"a\":2}",
        new string('[', 70) + new string(']', 70),
        new string('[', 5000),
        "\"" + new string('x', 5000) + "\"",
    ];

    private static readonly string[] YamlValues =
    [
        "null",
        "~",
        "true",
        "''",
        "x",
        "-1",
        "0",
        "1.5",
        "1e999",
        ".nan",
        ".inf",
        "2147483647",
        "-2147483648",
        "9223372036854775807",
        "9223372036854775808",
        "[]",
        "{}",
        "[null]",
        "[[x]]",
        "{ a: null }",
        "{ ? [a] : b }",
        "*a",
        "&a [*a]",
        "!!binary x",
        "!x y",
        "|",
        "\t",
        "\"\\uD800\"",
        "\"\\0\"",
        "%",
        "@",
        "`",
        "...",
        "---",
        "]",
        "}",
        "'",
        "\"",
        "? x",
        "- x",
        new string('[', 500),
    ];

    /// <summary>Bytes missing, changed, doubled, or of another kind altogether.</summary>
    internal static Gen<byte[]> OfBytes(byte[] valid) =>
        Gen.Select(Gen.Int[0, 7], Gen.Int[0, valid.Length], Gen.Int[0, valid.Length], Gen.Byte)
            .Select(
                (kind, a, b, value) =>
                {
                    var (from, to) = (Math.Min(a, b), Math.Max(a, b));
                    switch (kind)
                    {
                        case 0:
                            return valid[..from];
                        case 1:
                            byte[] changed = [.. valid];
                            if (from < changed.Length)
                                changed[from] = value;
                            return changed;
                        case 2:
                            return [.. valid[..from], .. valid[to..]];
                        case 3:
                            return [.. valid[..to], .. valid[from..]];
                        case 4:
                            return [.. valid[..from], value, .. valid[from..]];
                        case 5:
                            return [0x1F, 0x8B, .. valid[from..]];
                        case 6:
                            return [0xFF, 0xFE, .. Encoding.Unicode.GetBytes(Encoding.UTF8.GetString(valid))];
                        default:
                            return [.. Encoding.UTF8.Preamble, .. valid];
                    }
                }
            );

    /// <summary>A JSON text with one value replaced, removed or renamed, or its bytes damaged.</summary>
    internal static Gen<byte[]> OfJson(byte[] valid)
    {
        var places = PlacesOf(valid);
        var replaced = Gen.Select(Gen.Int[0, places.Count - 1], Gen.Int[0, Values.Length - 1]).Select((place, value) =>
            (byte[])[.. valid[..places[place].Start], .. Encoding.UTF8.GetBytes(Values[value]), .. valid[places[place].End..]]);
        return Gen.Frequency((4, replaced), (1, OfBytes(valid)));
    }

    /// <summary>A YAML text with one word replaced, or its bytes damaged.</summary>
    internal static Gen<byte[]> OfYaml(string valid)
    {
        var words = Word().Matches(valid);
        var replaced = Gen.Select(Gen.Int[0, words.Count - 1], Gen.Int[0, YamlValues.Length - 1]).Select((word, value) =>
            Encoding.UTF8.GetBytes(valid[..words[word].Index] + YamlValues[value] + valid[(words[word].Index + words[word].Length)..]));
        return Gen.Frequency((4, replaced), (1, OfBytes(Encoding.UTF8.GetBytes(valid))));
    }

    private static List<(int Start, int End)> PlacesOf(byte[] json)
    {
        var places = new List<(int, int)>();
        var open = new Stack<int>();
        var reader = new Utf8JsonReader(json);
        while (reader.Read())
        {
            var start = (int)reader.TokenStartIndex;
            if (reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray)
                open.Push(start);
            else if (reader.TokenType is JsonTokenType.EndObject or JsonTokenType.EndArray)
                places.Add((open.Pop(), (int)reader.BytesConsumed));
            // Of a name only the quoted text: what replaces it may be a name again, or break the object.
            else
                places.Add(
                    (
                        start,
                        reader.TokenType == JsonTokenType.PropertyName ? start + reader.ValueSpan.Length + 2 : (int)reader.BytesConsumed
                    )
                );
        }

        return places;
    }

    [GeneratedRegex(@"[A-Za-z0-9_./~-]+|[:{}\[\],\n]")]
    private static partial Regex Word();
}
