using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Peft.Orleans.Core.Runs;

/// <summary>
/// The events of a YAML text, refused where nodes made of them could not be walked: they nest or repeat without bound, contain themselves,
/// hold what no text has, or say by a tag that they are something else than they look like.
/// </summary>
/// <param name="text">The text.</param>
/// <param name="path">Its file, for messages.</param>
internal sealed class YamlEvents(string text, string path) : IParser
{
    // A run file is four levels deep; text that nests without end would exhaust the stack of whoever walks it.
    private const int DeepestLevel = 64;

    // Ten aliases in each of ten lists of aliases are ten thousand million values.
    private const long MostNodes = 100_000;

    private readonly long lines = text.AsSpan().TrimEnd('\n').Count('\n') + 1;
    private readonly Parser parser = new(new StringReader(text));
    private readonly Stack<(AnchorName Anchor, long NodesBefore)> open = new();
    private readonly Dictionary<AnchorName, long> nodesOf = [];
    private long nodes;

    /// <summary>Where reading has come to, counted from 1.</summary>
    public long Line => Math.Clamp(parser.Current?.End.Line ?? 1, 1, lines);

    /// <inheritdoc/>
    public ParsingEvent? Current => parser.Current;

    /// <inheritdoc/>
    public bool MoveNext()
    {
        if (!parser.MoveNext()) return false;
        switch (Current)
        {
            case DocumentStart:
                nodesOf.Clear();
                break;
            case MappingEnd or SequenceEnd:
                var (anchor, before) = open.Pop();
                if (!anchor.IsEmpty) nodesOf[anchor] = nodes - before;
                break;
            case AnchorAlias alias:
                Alias(alias.Value);
                break;
            case NodeEvent node:
                Node(node);
                break;
        }

        return true;
    }

    private void Alias(AnchorName name)
    {
        if (open.Any(outer => outer.Anchor == name))
            throw Refusal($"*{name} stands inside what &{name} names: the text contains itself; write it out");
        // The library takes an alias of what comes later, and two such can contain each other.
        if (!nodesOf.TryGetValue(name, out var repeated))
            throw Refusal($"*{name} repeats what &{name} names, and no &{name} stands before it; quote a text that begins with *");
        Count(repeated);
    }

    private void Node(NodeEvent node)
    {
        if (!node.Tag.IsEmpty && !node.Tag.IsNonSpecific)
            throw Refusal($"the tag {node.Tag.Value} has no meaning here; write the value without it, in quotes where it is text");
        if (node is Scalar { Value: { } value } && value.Contains('\0', StringComparison.Ordinal))
            throw Refusal("a text holds the character \\0; no name and no path has one");
        if (node is MappingStart or SequenceStart)
        {
            open.Push((node.Anchor, nodes));
            if (open.Count > DeepestLevel) throw Refusal($"nested deeper than {DeepestLevel} levels");
        }
        else if (!node.Anchor.IsEmpty)
        {
            nodesOf[node.Anchor] = 1;
        }

        Count(1);
    }

    private void Count(long more)
    {
        nodes += more;
        if (nodes > MostNodes) throw Refusal($"more than {MostNodes:N0} values, aliases written out");
    }

    private PeftException Refusal(string what) => new($"{path}:{Line}: {what}");
}
