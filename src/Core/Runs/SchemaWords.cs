using System.Globalization;
using System.Text.Json;
using YamlDotNet.RepresentationModel;

namespace Peft.Orleans.Core.Runs;

/// <summary>Says in words what a schema entry wants and what stands there instead.</summary>
internal static class SchemaWords
{
    /// <summary>Types an entry allows.</summary>
    public static IReadOnlyCollection<string> Types(JsonElement schema) => !schema.TryGetProperty("type", out var type)
        ? []
        : type.ValueKind == JsonValueKind.Array ? [.. type.EnumerateArray().Select(static item => item.GetString()!)] : [type.GetString()!];

    /// <summary>The words of an enumeration.</summary>
    public static IReadOnlyList<string> Words(JsonElement schema) =>
        !schema.TryGetProperty("enum", out var values)
            ? []
            :
            [
                .. values
                    .EnumerateArray()
                    .Where(static item => item.ValueKind == JsonValueKind.String)
                    .Select(static item => item.GetString()!),
            ];

    /// <summary>What an entry wants.</summary>
    public static string Expected(JsonElement schema)
    {
        if (schema.TryGetProperty("anyOf", out var alternatives))
            return string.Join(" or ", alternatives.EnumerateArray().Select(Expected));
        if (schema.TryGetProperty("const", out var constant))
            return constant.GetString()!;
        var words = Words(schema);
        var types = Types(schema);
        var wanted =
            words.Count > 0
                ? (words.Count == 1 ? words[0] : "one of " + string.Join(", ", words))
                : string.Join(" or ", types.Where(static type => type != "null").Select(type => OfType(type, schema)));
        return types.Contains("null") && !types.Contains("object") ? wanted + ", or null" : wanted;
    }

    /// <summary>What stands there.</summary>
    public static string Found(YamlNode node) =>
        node switch
        {
            YamlSequenceNode sequence => "the list ["
                + string.Join(", ", sequence.Children.Select(static item => (item as YamlScalarNode)?.Value ?? "…"))
                + "]",
            YamlMappingNode => "a section",
            YamlScalarNode scalar when YamlScalars.KindOf(scalar) == YamlScalars.Kind.Null => "nothing",
            YamlScalarNode scalar when YamlScalars.KindOf(scalar) == YamlScalars.Kind.Text => $"the text '{scalar.Value}'",
            _ => ((YamlScalarNode)node).Value!,
        };

    /// <summary>A line that would do for a missing key.</summary>
    public static string Example(string name, JsonElement schema)
    {
        if (schema.TryGetProperty("properties", out var properties))
        {
            var inner = schema.TryGetProperty("required", out var required)
                ? required.EnumerateArray().Select(static item => item.GetString()!)
                : properties.EnumerateObject().Take(1).Select(static p => p.Name);
            return $"{name}: {{ {string.Join(", ", inner.Select(key => Example(key, properties.GetProperty(key))))} }}";
        }

        var words = Words(schema);
        var value =
            words.Count > 0 ? string.Join(" | ", words)
            : Types(schema).Contains("integer") ? "200"
            : name == "path" ? "PATH"
            : name.ToUpperInvariant();
        return $"{name}: {value}";
    }

    private static string OfType(string type, JsonElement schema) =>
        type switch
        {
            "integer" => "an integer" + Range(schema),
            "number" => "a number" + Range(schema),
            "boolean" => "true or false",
            "array" => "a list of " + Items(schema),
            "object" when schema.TryGetProperty("additionalProperties", out var each) && each.ValueKind == JsonValueKind.Object =>
                "a section with " + Expected(each) + " for each of its keys",
            "object" => "a section with keys of "
                + string.Join(", ", schema.GetProperty("properties").EnumerateObject().Select(static p => p.Name)),
            _ => schema.TryGetProperty("pattern", out _) ? "letters, digits, '.', '_' and '-', starting with a letter or digit" : "text",
        };

    private static string Items(JsonElement schema)
    {
        var items = schema.GetProperty("items");
        var count = schema.TryGetProperty("maxItems", out var most)
            ? most.GetInt32().ToString(CultureInfo.InvariantCulture) + " "
            : "different ";
        return count + (Types(items).Contains("number") ? "numbers" + Range(items) : "names");
    }

    private static string Range(JsonElement schema)
    {
        var parts = new List<string>();
        void Part(string keyword, string words)
        {
            if (schema.TryGetProperty(keyword, out var bound)) parts.Add(words + " " + bound.GetRawText());
        }

        Part("minimum", "of at least");
        Part("exclusiveMinimum", "above");
        Part("maximum", "of at most");
        Part("exclusiveMaximum", "below");
        return parts.Count == 0 ? "" : " " + string.Join(" and ", parts);
    }
}
