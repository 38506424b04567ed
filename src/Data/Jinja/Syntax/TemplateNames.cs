using Peft.Orleans.Data.Jinja.Builtins;
using Peft.Orleans.Data.Jinja.Nodes;
using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Syntax;

/// <summary>The names of a template while it is read: its variables' numbers, fields, and filters and tests that nobody knows.</summary>
internal sealed class TemplateNames
{
    private readonly Dictionary<string, int> numbers = new(StringComparer.Ordinal);

    // Names that the macro being read loads, innermost last.
    private readonly Stack<HashSet<string>> loaded = new([[]]);

    private readonly List<JinjaException> unknown = [];

    // As in Jinja: within an if, filters and tests that nobody knows fail where they are reached, elsewhere at once.
    private bool lenient;

    internal IReadOnlyDictionary<string, int> Numbers => numbers;

    internal FieldReads Fields { get; } = new();

    /// <summary>The first name that nobody knows.</summary>
    internal JinjaException? Unknown => unknown.Count == 0 ? null : unknown[0];

    internal int Number(string name)
    {
        if (!numbers.TryGetValue(name, out var number)) numbers.Add(name, number = numbers.Count);
        return number;
    }

    internal Name Load(string name)
    {
        loaded.Peek().Add(name);
        return new Name(name, Number(name), Globals.Table.TryGetValue(name, out var known) ? known : Scope.Missing);
    }

    /// <summary>Whether the macro being read loads a name.</summary>
    internal bool Loads(string name) => loaded.Peek().Contains(name);

    /// <summary>Reads a macro; what it loads, the one around it loads too.</summary>
    internal T InMacro<T>(Func<T> read)
    {
        loaded.Push([]);
        var result = read();
        var names = loaded.Pop();
        loaded.Peek().UnionWith(names);
        return result;
    }

    internal void NotKnown(string kind, string name, int line)
    {
        if (!lenient) unknown.Add(TokenCursor.Wrong($"No {kind} named '{name}'.", line));
    }

    /// <summary>Reads what may name filters that nobody knows, or must not.</summary>
    internal T Within<T>(bool leniently, Func<T> read)
    {
        var before = lenient;
        lenient = leniently;
        var result = read();
        lenient = before;
        return result;
    }

    /// <summary>Reads something, after which it may turn out that it was allowed to name what nobody knows.</summary>
    internal T Forgiving<T>(Func<T> read, Func<bool> forgiven)
    {
        var before = unknown.Count;
        var result = read();
        if (forgiven()) unknown.RemoveRange(before, unknown.Count - before);
        return result;
    }
}
