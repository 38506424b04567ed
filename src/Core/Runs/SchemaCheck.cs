using System.Text.Json;
using System.Text.RegularExpressions;
using YamlDotNet.RepresentationModel;

namespace Peft.Orleans.Core.Runs;

/// <summary>
/// Checks a run file against the schema: unknown keys, wrong types, values out of range, keys without a meaning. One line per refusal.
/// </summary>
/// <remarks>
/// Walks the part of JSON Schema that run.schema.json uses, over YAML nodes, because a general validator knows neither lines nor what to
/// write instead, and costs a good part of the client's start.
/// </remarks>
internal sealed class SchemaCheck
{
    private readonly RunDocument document;
    private readonly RunSchema published;
    private readonly List<string> refusals = [];

    private SchemaCheck(RunDocument document, RunSchema schema)
    {
        this.document = document;
        published = schema;
    }

    /// <summary>All refusals, in the order of the file; with <paramref name="section"/> those of one section only.</summary>
    public static IReadOnlyList<string> Check(RunDocument document, RunSchema schema, string section = "")
    {
        var check = new SchemaCheck(document, schema);
        if (section.Length == 0)
            check.Section("", document.Root, schema.Root);
        else if (schema.TryGet(section, out var entry) && document.Find(section) is YamlMappingNode mapping)
            check.Section(section, mapping, entry);
        return check.refusals;
    }

    private void Section(string path, YamlMappingNode mapping, JsonElement schema)
    {
        var properties = schema.GetProperty("properties");
        foreach (var (key, value) in mapping.Children)
        {
            var name = (key as YamlScalarNode)?.Value ?? "";
            var childPath = path.Length == 0 ? name : path + "." + name;
            if (!properties.TryGetProperty(name, out var child))
                refusals.Add($"{document.At(key)}: {childPath}: unknown key; {KeySuggestion.For(childPath, published, properties)}");
            else if (!published.HasMeaning(childPath, ValueOf, out var obstacle))
                refusals.Add(
                    $"{document.At(key)}: {childPath} has no meaning with {obstacle.Key} {obstacle.Value}; remove it, or set "
                        + $"{obstacle.Key} to {Or(obstacle.Wanted)}"
                );
            else
                Value(childPath, key, value, child);
        }

        if (!schema.TryGetProperty("required", out var required)) return;
        foreach (var name in required.EnumerateArray().Select(static item => item.GetString()!))
        {
            if (mapping.Children.Keys.Any(key => (key as YamlScalarNode)?.Value == name)) continue;
            var missing = path.Length == 0 ? name : path + "." + name;
            var place = document.Where(missing);
            refusals.Add($"{place}: {missing}: missing; write {SchemaWords.Example(name, properties.GetProperty(name))}");
        }
    }

    private void Value(string path, YamlNode key, YamlNode value, JsonElement schema)
    {
        if (value is YamlMappingNode mapping && schema.TryGetProperty("properties", out _))
        {
            Section(path, mapping, schema);
            return;
        }

        if (value is YamlMappingNode patterns && schema.TryGetProperty("additionalProperties", out var each)
            && each.ValueKind == JsonValueKind.Object)
        {
            foreach (var (name, item) in patterns.Children) Value($"{path}.{(name as YamlScalarNode)?.Value}", name, item, each);
            return;
        }

        if (value is YamlSequenceNode list && schema.TryGetProperty("items", out var items) && items.TryGetProperty("properties", out _)
            && list.Children.Count > 0 && list.Children.All(static item => item is YamlMappingNode))
        {
            foreach (var item in list.Children) Section(path, (YamlMappingNode)item, items);
            return;
        }

        if (Fits(value, schema)) return;
        var suggestion = value is YamlScalarNode { Value: { } text } && SchemaWords.Words(schema) is { Count: > 1 } words
            && KeySuggestion.Nearest(text, words) is { } nearest ? $"; did you mean {nearest}?" : "";
        refusals.Add($"{document.At(key)}: {path}: expected {SchemaWords.Expected(schema)}, found {SchemaWords.Found(value)}{suggestion}");
    }

    private static bool Fits(YamlNode value, JsonElement schema)
    {
        if (schema.TryGetProperty("anyOf", out var alternatives))
            return alternatives.EnumerateArray().Any(alternative => Fits(value, alternative));
        return value switch
        {
            YamlScalarNode scalar => ScalarFits(scalar, schema),
            YamlSequenceNode sequence => SequenceFits(sequence, schema),
            _ => false,
        };
    }

    private static bool SequenceFits(YamlSequenceNode sequence, JsonElement schema)
    {
        if (!SchemaWords.Types(schema).Contains("array")) return false;
        var count = sequence.Children.Count;
        if (schema.TryGetProperty("minItems", out var least) && count < least.GetInt32())
            return false;
        if (schema.TryGetProperty("maxItems", out var most) && count > most.GetInt32())
            return false;
        if (schema.TryGetProperty("uniqueItems", out var unique) && unique.GetBoolean() && sequence.Children.Distinct().Count() != count)
            return false;
        return sequence.Children.All(item => Fits(item, schema.GetProperty("items")));
    }

    private static bool ScalarFits(YamlScalarNode scalar, JsonElement schema)
    {
        var types = SchemaWords.Types(schema);
        var text = scalar.Value ?? "";
        switch (YamlScalars.KindOf(scalar))
        {
            case YamlScalars.Kind.Null:
                return types.Contains("null");
            case YamlScalars.Kind.Boolean:
                return types.Contains("boolean");
            case YamlScalars.Kind.Integer when types.Contains("integer"):
                return long.TryParse(text, out _) && InRange(YamlScalars.ToDouble(text), schema);
            case YamlScalars.Kind.Integer or YamlScalars.Kind.Number when types.Contains("number"):
                return InRange(YamlScalars.ToDouble(text), schema);
            case YamlScalars.Kind.Text when types.Contains("string"):
                if (schema.TryGetProperty("const", out var constant)) return constant.GetString() == text;
                if (schema.TryGetProperty("enum", out _)) return SchemaWords.Words(schema).Contains(text);
                if (schema.TryGetProperty("minLength", out var least) && text.Length < least.GetInt32()) return false;
                return !schema.TryGetProperty("pattern", out var pattern) || Regex.IsMatch(text, pattern.GetString()!);
            default:
                // A path or a name of digits only is text all the same; a word of an enumeration never is a number.
                return types.Contains("string") && !schema.TryGetProperty("enum", out _) && !schema.TryGetProperty("const", out _)
                    && schema.TryGetProperty("pattern", out var form) && Regex.IsMatch(text, form.GetString()!);
        }
    }

    private static bool InRange(double value, JsonElement schema) =>
        (!schema.TryGetProperty("minimum", out var least) || value >= least.GetDouble())
        && (!schema.TryGetProperty("exclusiveMinimum", out var above) || value > above.GetDouble())
        && (!schema.TryGetProperty("maximum", out var most) || value <= most.GetDouble())
        && (!schema.TryGetProperty("exclusiveMaximum", out var below) || value < below.GetDouble());

    private string? ValueOf(string path) => document.Find(path) switch
    {
        YamlScalarNode scalar => scalar.Value,
        null when path == "data.train.format" && document.Find("data.train") is YamlSequenceNode sources => string.Join(
            ", ",
            sources.Children.OfType<YamlMappingNode>().SelectMany(static source => source.Children)
                .Where(static pair => pair.Key is YamlScalarNode { Value: "format" })
                .Select(static pair => (pair.Value as YamlScalarNode)?.Value)),
        null when path == "data.validation.format" && document.Find("data.validation.path") is not null => ValueOf("data.train.format"),
        null when path.StartsWith("data.", StringComparison.Ordinal) => null,
        _ => published.DefaultText(path),
    };

    private static string Or(string[] values) => values.Length == 1 ? values[0] : string.Join(", ", values[..^1]) + " or " + values[^1];
}
