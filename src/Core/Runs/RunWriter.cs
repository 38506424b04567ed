using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Peft.Orleans.Core.Runs;

/// <summary>Writes the resolved form of a run, in the order of the schema.</summary>
internal static class RunWriter
{
    /// <summary>The run as YAML.</summary>
    public static string Write(RunSpec spec, RunSchema schema)
    {
        var text = new StringBuilder();
        Section(spec, "", 0, schema.Root, text, spec, schema);
        return text.ToString();
    }

    private static void Section(object section, string prefix, int depth, JsonElement entry, StringBuilder text, RunSpec spec, RunSchema schema)
    {
        var properties = SpecReflection.Keys(section.GetType());
        foreach (var item in entry.GetProperty("properties").EnumerateObject())
        {
            var path = prefix + item.Name;
            if (!schema.HasMeaning(path, key => ValueOf(spec, key), out _)) continue;
            var value = properties[item.Name].GetValue(section);
            if (value is null && path == "data.validation.format") value = ImpliedValidationFormat(spec);
            var indent = new string(' ', 2 * depth);
            if (value is not null && SpecReflection.IsSection(value.GetType()))
            {
                text.Append(indent).Append(item.Name).Append(":\n");
                Section(value, path + ".", depth + 1, item.Value, text, spec, schema);
                continue;
            }

            if (value is null && !item.Value.TryGetProperty("default", out _)) continue;
            text.Append(indent).Append(item.Name).Append(": ").Append(Value(value, path, schema)).Append('\n');
        }
    }

    private static string Value(object? value, string path, RunSchema schema) => value switch
    {
        null => schema.DefaultText(path) == "auto" ? "auto" : "null",
        bool flag => flag ? "true" : "false",
        double number => YamlScalars.Write(number),
        Enum word => SpecReflection.Word(word),
        string number when path == "method.lambda.initial" => number,
        string words => YamlScalars.Write(words),
        IEnumerable<string> names => "[" + string.Join(", ", names.Select(YamlScalars.Write)) + "]",
        IEnumerable<double> numbers => "[" + string.Join(", ", numbers.Select(YamlScalars.Write)) + "]",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };

    private static string? ValueOf(RunSpec spec, string path)
    {
        var value = path == "data.validation.format" ? spec.Data.Validation?.Format ?? ImpliedValidationFormat(spec) : SpecReflection.Get(spec, path);
        return value is Enum word ? SpecReflection.Word(word) : value?.ToString();
    }

    private static DataFormat? ImpliedValidationFormat(RunSpec spec) => spec.Data.Validation?.Path is null ? null : spec.Data.Train.Format;
}
