using System.Globalization;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using YamlDotNet.RepresentationModel;

namespace Peft.Orleans.Client.Comparison;

/// <summary>A method of a comparison.</summary>
/// <param name="Label">Its name in tables and figures.</param>
/// <param name="Name">As <c>method.name</c>.</param>
/// <param name="Own">Values of its own over those of the base run.</param>
/// <param name="Grid">Keys it tries: those of its own entry, and the comparison's others.</param>
/// <param name="Place">File and line.</param>
internal sealed record ComparedMethod(string Label, string Name, IReadOnlyList<Assignment> Own, IReadOnlyList<GridKey> Grid, string Place);

/// <summary>A key of the grid with the values to try.</summary>
internal sealed record GridKey(string Key, IReadOnlyList<Assignment> Values);

/// <summary>A comparison file as read: base run, methods, repeats, grid. <see cref="CombinationResolver"/> makes run files of it.</summary>
/// <param name="Path">The file.</param>
/// <param name="Base">Values of the base run, those of <c>--set</c> last.</param>
/// <param name="Methods">In the order of the file.</param>
/// <param name="Repeats">Number of seeds: the base's, and the next ones.</param>
internal sealed record ComparisonFile(string Path, IReadOnlyList<Assignment> Base, IReadOnlyList<ComparedMethod> Methods, int Repeats)
{
    private static readonly string[] Keys = ["base", "methods", "repeats", "grid"];
    private static readonly string[] Names = ["full", "lora", "boft", "lora_ga", "urnn", "hybrid"];

    /// <summary>Reads a file; <paramref name="sets"/> are laid over its base run (<c>repeats=2</c> over its repeats).</summary>
    /// <exception cref="PeftException">Refused, with line, key and remedy.</exception>
    public static ComparisonFile Load(string path, IReadOnlyList<string> sets)
    {
        var root = Read(path, "comparison file");
        foreach (var (key, _) in root.Children)
        {
            var name = Text(key);
            if (!Keys.Contains(name))
                throw Refusal(
                    path,
                    key,
                    $"{name}: unknown key; a comparison has {string.Join(", ", Keys)}; keys of the run file go below base"
                );
        }

        var given = sets.Select(Assignment.Parse).ToArray();
        var baseRun = ReadBase(path, root);
        var methods = ReadMethods(path, root, ReadGrid(path, root));
        var repeats = Find(root, "repeats") is { } node ? Count(Text(node), Assignment.At(path, node)) : 1;
        if (given.LastOrDefault(static set => set.Key == "repeats") is { } more) repeats = Count(more.Text, more.Place);
        return new ComparisonFile(path, [.. baseRun, .. given.Where(static set => set.Key != "repeats")], methods, repeats);
    }

    private static List<Assignment> ReadBase(string path, YamlMappingNode root)
    {
        switch (Find(root, "base"))
        {
            case YamlMappingNode inline:
                return [.. Assignment.Flatten(inline, path)];
            case YamlScalarNode { Value.Length: > 0 } scalar:
                var file = System.IO.Path.GetFullPath(scalar.Value, System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!);
                if (!File.Exists(file))
                    throw Refusal(
                        path,
                        scalar,
                        $"base: {file} not found; name a run file (relative paths are relative to this file), or write its keys below base"
                    );
                return [.. Assignment.Flatten(Read(file, "run file"), file)];
            default:
                throw new PeftException($"{path}:1: base: missing; write base: run.yaml, or the keys of a run file below base");
        }
    }

    private static List<ComparedMethod> ReadMethods(string path, YamlMappingNode root, List<GridKey> grid)
    {
        if (Find(root, "methods") is not YamlSequenceNode { Children.Count: > 0 } list)
            throw new PeftException(
                $"{path}:{Find(root, "methods")?.Start.Line ?? 1}: methods: expected a list; write methods: [lora, hybrid]"
            );
        var methods = new List<ComparedMethod>();
        foreach (var item in list.Children)
        {
            var method = item is YamlMappingNode mapping
                ? Method(path, mapping, grid)
                : new ComparedMethod(Text(item), Text(item), [], grid, Assignment.At(path, item));
            if (!Names.Contains(method.Name))
                throw Refusal(path, item, $"methods: expected {string.Join(", ", Names[..^1])} or {Names[^1]}, found {method.Name}");
            if (methods.Exists(other => other.Label == method.Label))
                throw Refusal(
                    path,
                    item,
                    $"methods: two entries are named {method.Label}; give one of them a label of its own (label: {method.Label}-2)"
                );
            methods.Add(method);
        }

        return methods;
    }

    private static ComparedMethod Method(string path, YamlMappingNode mapping, List<GridKey> grid)
    {
        var name = Find(mapping, "name") is { } node
            ? Text(node)
            : throw Refusal(path, mapping, "methods: an entry without name; write { name: lora }");
        var own = new List<Assignment>();
        foreach (var assignment in Assignment.Flatten(mapping, path))
        {
            if (assignment.Key is "name" or "label" or "grid" || assignment.Key.StartsWith("grid.", StringComparison.Ordinal))
                continue;
            if (assignment.Key == "method.name")
                throw new PeftException($"{assignment.Place}: method.name: the method of an entry is its name; remove it");
            RequireComparable(assignment.Key, assignment.Place);
            own.Add(assignment);
        }

        var ownGrid = ReadGrid(path, mapping);
        return new ComparedMethod(
            Find(mapping, "label") is { } label ? Text(label) : name,
            name,
            own,
            [.. grid.Where(key => ownGrid.All(mine => mine.Key != key.Key)), .. ownGrid],
            Assignment.At(path, mapping)
        );
    }

    private static List<GridKey> ReadGrid(string path, YamlMappingNode mapping)
    {
        if (Find(mapping, "grid") is not { } node)
            return [];
        if (node is not YamlMappingNode keys)
            throw Refusal(
                path,
                node,
                "grid: expected keys with lists of values, for example training.optimizer.learning_rate: [1.0e-4, 3.0e-4]"
            );
        return [.. Lists(path, keys, "")];
    }

    private static IEnumerable<GridKey> Lists(string path, YamlMappingNode mapping, string prefix)
    {
        foreach (var (key, value) in mapping.Children)
        {
            var name = prefix + Text(key);
            if (value is YamlMappingNode inner)
            {
                foreach (var item in Lists(path, inner, name + ".")) yield return item;
                continue;
            }

            if (name == "method.name") throw Refusal(path, key, "grid: method.name: the methods are listed below methods; remove it");
            RequireComparable(name, Assignment.At(path, key));
            if (value is not YamlSequenceNode { Children.Count: > 0 } list)
                throw Refusal(
                    path,
                    key,
                    $"grid: {name}: expected a list of values to try, found {Assignment.Flow(value)}; write [{Assignment.Flow(value)}, …]"
                );
            yield return new GridKey(
                name,
                [.. list.Children.Select(item => new Assignment(name, Assignment.Flow(item), Assignment.At(path, key)))]
            );
        }
    }

    /// <summary>
    /// What is not the method's own matter is the same for all; a misspelt section is refused by the run file's own check.
    /// </summary>
    private static void RequireComparable(string key, string place)
    {
        if (
            key == "model.dtype"
            || key.Split('.')[0] is not ("name" or "seed" or "model" or "data" or "snapshots" or "compute" or "elastic" or "output")
        )
            return;
        throw new PeftException(
            $"{place}: {key}: every method of a comparison has the same model, data and seeds; write it below base (a method's own are "
                + "keys of method and training, and model.dtype)"
        );
    }

    private static YamlMappingNode Read(string path, string kind)
    {
        var documents = YamlReader.Read(YamlReader.ReadText(path, kind), path);
        return documents.Count == 1 && documents[0].RootNode is YamlMappingNode mapping
            ? mapping
            : throw new PeftException($"{path}:1: a {kind} is one YAML document of 'key: value' lines");
    }

    private static int Count(string text, string place) => int.TryParse(text, CultureInfo.InvariantCulture, out var count) && count >= 1
        ? count
        : throw new PeftException($"{place}: repeats: expected a number of seeds of at least 1, found {text}");

    private static YamlNode? Find(YamlMappingNode mapping, string name) =>
        mapping.Children.FirstOrDefault(pair => Text(pair.Key) == name).Value;

    private static string Text(YamlNode node) => (node as YamlScalarNode)?.Value ?? node.ToString();

    private static PeftException Refusal(string path, YamlNode node, string message) => new($"{Assignment.At(path, node)}: {message}");
}
