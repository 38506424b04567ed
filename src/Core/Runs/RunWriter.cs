using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Orleans.Core.Methods;

namespace Peft.Orleans.Core.Runs;

/// <summary>Writes the resolved form of a run, in the order of the schema.</summary>
internal static class RunWriter
{
    /// <summary>The run as YAML.</summary>
    public static string Write(RunSpec spec, RunSchema schema)
    {
        var text = new StringBuilder();
        Yaml(Meaningful(spec, "", schema.Root, spec, schema), "", text);
        return text.ToString();
    }

    /// <summary>The method as JSON, without the adapter it began with.</summary>
    public static JsonObject WriteMethod(RunSpec spec, RunSchema schema)
    {
        schema.TryGet("method", out var entry);
        return Json(Meaningful(spec.Method, "method.", entry, spec, schema).Where(static line => line.Path != "method.initial_adapter"));
    }

    /// <summary>The keys of a section that have a meaning for this run; a value may be a section's lines.</summary>
    private static IEnumerable<Line> Meaningful(object section, string prefix, JsonElement entry, RunSpec spec, RunSchema schema)
    {
        var properties = SpecReflection.Keys(section.GetType());
        foreach (var item in entry.GetProperty("properties").EnumerateObject())
        {
            var path = prefix + item.Name;
            if (!schema.HasMeaning(path, key => ValueOf(spec, key), out _)) continue;
            var value = properties[item.Name].GetValue(section);
            if (value is null && path == "data.validation.format")
                value = ImpliedValidationFormat(spec);
            if (value is IEnumerable<ModulePattern> patterns)
                value = patterns.Select(pattern => new Line($"{path}.{pattern.Modules}", pattern.Modules, pattern.Value)).ToArray();
            else if (value is DataSources sources)
                value = Sources(sources, path + ".", item.Value, spec, schema);
            else if (value is not null && SpecReflection.IsSection(value.GetType()))
                value = Meaningful(value, path + ".", item.Value, spec, schema);
            else if (value is null && schema.DefaultText(path) == "auto")
                value = "auto";
            else if (value is null && !item.Value.TryGetProperty("default", out _))
                continue;
            yield return new Line(path, item.Name, value);
        }
    }

    private static void Yaml(IEnumerable<Line> lines, string indent, StringBuilder text)
    {
        foreach (var (path, key, value) in lines)
        {
            text.Append(indent).Append(YamlScalars.Write(key)).Append(':');
            if (value is IEnumerable<IEnumerable<Line>> list)
            {
                text.Append('\n');
                foreach (var item in list)
                {
                    var start = text.Length;
                    Yaml(item, indent + "    ", text);
                    text[start + indent.Length + 2] = '-';
                }
            }
            else if (value is IEnumerable<Line> section)
            {
                text.Append('\n');
                Yaml(section, indent + "  ", text);
            }
            else
            {
                text.Append(' ').Append(Scalar(value, path)).Append('\n');
            }
        }
    }

    private static JsonObject Json(IEnumerable<Line> lines) =>
        new(
            lines.Select(static line =>
                KeyValuePair.Create(
                    line.Key,
                    line.Value switch
                    {
                        IEnumerable<Line> section => Json(section),
                        string number when IsInitialNumber(line.Path, number) => JsonValue.Create(YamlScalars.ToDouble(number)),
                        Enum word => JsonValue.Create(EnumerationWords.Word(word)),
                        IEnumerable<string> names => new JsonArray([.. names.Select(static name => (JsonNode)name)]),
                        null => null,
                        _ => JsonSerializer.SerializeToNode(line.Value, line.Value.GetType()),
                    }
                )
            )
        );

    private static string Scalar(object? value, string path) => value switch
    {
        null => "null",
        bool flag => flag ? "true" : "false",
        double number => YamlScalars.Write(number),
        Enum word => EnumerationWords.Word(word),
        string number when IsInitialNumber(path, number) => number,
        string words => YamlScalars.Write(words),
        IReadOnlyDictionary<string, string> map => "{ "
            + string.Join(", ", map.OrderBy(static pair => pair.Key, StringComparer.Ordinal)
                .Select(static pair => $"{YamlScalars.Write(pair.Key)}: {YamlScalars.Write(pair.Value)}")) + " }",
        IEnumerable<string> names => "[" + string.Join(", ", names.Select(YamlScalars.Write)) + "]",
        IEnumerable<double> numbers => "[" + string.Join(", ", numbers.Select(YamlScalars.Write)) + "]",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };

    /// <summary>λ's start is a word or a number.</summary>
    private static bool IsInitialNumber(string path, string text) =>
        path == "method.lambda.initial" && YamlScalars.KindOfPlain(text) is (YamlScalars.Kind.Integer or YamlScalars.Kind.Number);

    private static string? ValueOf(RunSpec spec, string path)
    {
        var value =
            path == "data.validation.format"
                ? spec.Data.Validation?.Format ?? ImpliedValidationFormat(spec)
                : path == "data.train.format" ? Formats(spec.Data.Train) : SpecReflection.Get(spec, path);
        return value is Enum word ? EnumerationWords.Word(word) : value?.ToString();
    }

    private static DataFormat? ImpliedValidationFormat(RunSpec spec) =>
        spec.Data.Validation?.Path is null ? null : spec.Data.Train[0].Format;

    private static string Formats(DataSources sources) =>
        string.Join(", ", sources.Select(static source => EnumerationWords.Word(source.Format)));

    /// <summary>The lines of the one source, or of each.</summary>
    private static object Sources(DataSources sources, string prefix, JsonElement entry, RunSpec spec, RunSchema schema)
    {
        Line[] Of(DataSource source) => [.. Meaningful(source, prefix, entry, spec, schema).Where(static line => line.Value is not null)];
        return sources.Count == 1 ? Of(sources[0]) : sources.Select(Of).ToArray();
    }

    private sealed record Line(string Path, string Key, object? Value);
}
