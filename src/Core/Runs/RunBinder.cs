using System.Globalization;
using Peft.Orleans.Core.Methods;
using YamlDotNet.RepresentationModel;

namespace Peft.Orleans.Core.Runs;

/// <summary>Makes spec records of a document that the schema has accepted.</summary>
internal static class RunBinder
{
    /// <summary>The run of a document.</summary>
    public static RunSpec Bind(RunDocument document) => (RunSpec)Section(typeof(RunSpec), document.Root, "", document);

    private static object Section(Type type, YamlMappingNode mapping, string prefix, RunDocument document)
    {
        var section = Activator.CreateInstance(type)!;
        var properties = SpecReflection.Keys(type);
        foreach (var (key, node) in mapping.Children)
        {
            var name = ((YamlScalarNode)key).Value!;
            var property = properties[name];
            property.SetValue(section, Value(property.PropertyType, node, prefix + name, document));
        }

        return section;
    }

    private static object? Value(Type type, YamlNode node, string path, RunDocument document)
    {
        if (node is YamlMappingNode patterns && type == typeof(IReadOnlyList<ModulePattern>)) return Patterns(patterns);
        if (type == typeof(DataSources)) return Sources(node, path, document);
        if (type == typeof(IReadOnlyDictionary<string, string>) && node is YamlMappingNode names)
            return names.Children.ToDictionary(static pair => Text(pair.Key), static pair => Text(pair.Value));
        if (node is YamlMappingNode mapping) return Section(type, mapping, path + ".", document);
        if (node is YamlSequenceNode sequence)
        {
            var items = sequence.Children.Select(static item => ((YamlScalarNode)item).Value!);
            if (type == typeof(IReadOnlyList<double>)) return items.Select(YamlScalars.ToDouble).ToArray();
            return items.ToArray();
        }

        var scalar = (YamlScalarNode)node;
        var text = scalar.Value ?? "";
        var inner = Nullable.GetUnderlyingType(type);
        if (type == typeof(IReadOnlyDictionary<string, string>)) return null;
        if (type == typeof(string)) return YamlScalars.KindOf(scalar) == YamlScalars.Kind.Null ? null : text;
        if (type == typeof(IReadOnlyList<string>)) return YamlScalars.KindOf(scalar) == YamlScalars.Kind.Null ? null : new[] { text };
        if (YamlScalars.KindOf(scalar) == YamlScalars.Kind.Null || (inner is not null && text == "auto")) return null;
        var target = inner ?? type;
        if (target.IsEnum) return EnumerationWords.Parse(target, text);
        if (target == typeof(bool)) return bool.Parse(text);
        if (target == typeof(double)) return YamlScalars.ToDouble(text);
        if (target == typeof(long)) return long.Parse(text, CultureInfo.InvariantCulture);
        return int.TryParse(text, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw new PeftException($"{document.Where(path)}: {path}: expected an integer of at most {int.MaxValue}, found {text}");
    }

    /// <summary>The patterns in the order of the file, which counts; none: null.</summary>
    private static ModulePattern[]? Patterns(YamlMappingNode mapping) => mapping.Children.Count == 0
        ? null
        : [.. mapping.Children.Select(static pair =>
            new ModulePattern(((YamlScalarNode)pair.Key).Value!, YamlScalars.ToDouble(((YamlScalarNode)pair.Value).Value!)))];

    /// <summary>One source, or a list of them.</summary>
    private static DataSources Sources(YamlNode node, string path, RunDocument document)
    {
        var items = node is YamlSequenceNode list ? list.Children : [node];
        DataSource Source(YamlNode item) => (DataSource)Section(typeof(DataSource), (YamlMappingNode)item, path + ".", document);
        return new DataSources([.. items.Select(Source)]);
    }

    private static string Text(YamlNode node) => ((YamlScalarNode)node).Value!;
}
