using YamlDotNet.RepresentationModel;

namespace Peft.Orleans.Core.Runs;

/// <summary>A run file as a tree of YAML nodes that know their lines, with the values given on the command line laid over it.</summary>
internal sealed class RunDocument
{
    private readonly string path;

    // Nodes compare by value; two keys of one spelling are two places.
    private readonly Dictionary<YamlNode, string> origins = new(ReferenceEqualityComparer.Instance);

    private RunDocument(YamlMappingNode root, string path)
    {
        Root = root;
        this.path = path;
    }

    /// <summary>The top-level mapping.</summary>
    public YamlMappingNode Root { get; }

    /// <summary>Parses one YAML document that is a mapping.</summary>
    public static RunDocument Read(string yaml, string path)
    {
        var documents = YamlReader.Read(yaml, path);
        if (documents.Count == 0) throw new PeftException($"{path}:1: the file is empty; it needs name, model, data and training");
        if (documents.Count > 1)
            throw new PeftException(
                $"{path}:{documents[1].RootNode.Start.Line}: a second YAML document; a run file is one document, remove the '---'"
            );
        var root = documents[0].RootNode;
        return root is YamlMappingNode mapping
            ? new RunDocument(mapping, path)
            : throw new PeftException(
                $"{path}:{root.Start.Line}: a run file is a list of 'key: value' lines; it needs name, model, data and training"
            );
    }

    /// <summary>A document in which this one is the section <paramref name="key"/>.</summary>
    public RunDocument AsSection(string key) => new(new YamlMappingNode { { key, Root } }, path);

    /// <summary>Lays one <c>a.b=c</c> over the file; the value is YAML.</summary>
    public void Override(string assignment)
    {
        var equals = assignment.IndexOf('=', StringComparison.Ordinal);
        if (equals < 1) throw new PeftException($"--set {assignment}: expected key=value, for example --set training.steps=20");
        var keys = assignment[..equals].Trim().Split('.');
        if (keys.Any(string.IsNullOrWhiteSpace))
            throw new PeftException($"--set {assignment}: a part of the key is empty; write it like training.steps");
        var value = ParseValue(assignment, assignment[(equals + 1)..].Trim());
        var origin = $"--set {assignment}";
        var mapping = Root;
        for (var i = 0; i < keys.Length - 1; i++)
        {
            var (key, child) = Entry(mapping, keys[i]);
            if (child is YamlMappingNode inner)
            {
                mapping = inner;
                continue;
            }

            if (child is not null and not YamlScalarNode { Value: null or "" or "null" or "~" })
                throw new PeftException(
                    $"--set {assignment}: {string.Join('.', keys[..(i + 1)])} is a value, not a section, at {At(key!)}"
                );
            inner = new YamlMappingNode();
            Replace(mapping, keys[i], inner, origin);
            mapping = inner;
        }

        Replace(mapping, keys[^1], value, origin);
    }

    /// <summary>The node at a dotted path, or null.</summary>
    public YamlNode? Find(string path)
    {
        YamlNode node = Root;
        foreach (var part in path.Split('.'))
        {
            if (node is not YamlMappingNode mapping || Entry(mapping, part).Value is not { } child) return null;
            node = child;
        }

        return node;
    }

    /// <summary>File and line, or --set, of the deepest part of the path that is written.</summary>
    public string Where(string path)
    {
        YamlNode place = Root;
        YamlNode node = Root;
        foreach (var part in path.Split('.'))
        {
            if (node is not YamlMappingNode mapping) break;
            var (key, child) = Entry(mapping, part);
            if (key is null) break;
            place = key;
            node = child!;
        }

        return At(place);
    }

    /// <summary>File and line, or --set, of a key.</summary>
    public string At(YamlNode key) => origins.TryGetValue(key, out var origin) ? origin : $"{path}:{Math.Max(1, key.Start.Line)}";

    private static YamlNode ParseValue(string assignment, string text)
    {
        if (text.Length == 0) return new YamlScalarNode("");
        try
        {
            var documents = YamlReader.Read(text, "");
            return documents.Count == 1 ? documents[0].RootNode : new YamlScalarNode(text);
        }
        catch (PeftException error)
        {
            throw new PeftException($"--set {assignment}: the value is not valid YAML ({error.Message.TrimStart(':')}); quote it", error);
        }
    }

    private void Replace(YamlMappingNode mapping, string name, YamlNode value, string origin)
    {
        var (former, _) = Entry(mapping, name);
        if (former is not null) mapping.Children.Remove(former);
        var key = new YamlScalarNode(name);
        mapping.Children.Add(key, value);
        origins[key] = origin;
        Mark(value, origin);
    }

    private void Mark(YamlNode value, string origin)
    {
        if (value is YamlSequenceNode list)
        {
            foreach (var item in list.Children) Mark(item, origin);
        }

        if (value is not YamlMappingNode mapping) return;
        foreach (var (key, child) in mapping.Children)
        {
            origins[key] = origin;
            Mark(child, origin);
        }
    }

    private static (YamlNode? Key, YamlNode? Value) Entry(YamlMappingNode mapping, string name)
    {
        foreach (var (key, value) in mapping.Children)
            if (key is YamlScalarNode scalar && scalar.Value == name) return (key, value);
        return (null, null);
    }
}
