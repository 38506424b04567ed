using System.Text;
using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Nodes;

/// <summary>What one rendering has in common.</summary>
/// <param name="meter">What it costs.</param>
/// <param name="clock">The function that tells the time.</param>
/// <param name="main">The text that is rendered.</param>
internal sealed class Rendering(Meter meter, Callable clock, TextOutput main)
{
    public Meter Meter { get; } = meter;

    public Callable Clock { get; } = clock;

    public TextOutput Main { get; } = main;

    /// <summary>What <c>{% generation %}</c> marks, in UTF-16 units.</summary>
    public List<Range> Generation { get; } = [];

    /// <summary>Whether a mark stands where its place in the text is not known: within a macro or a block that becomes a value.</summary>
    public bool MisplacedGeneration { get; set; }
}

/// <summary>Where a node is evaluated.</summary>
/// <param name="Run">The rendering.</param>
/// <param name="Scope">The variables seen.</param>
/// <param name="Output">Where text goes.</param>
internal sealed record Frame(Rendering Run, Scope Scope, TextOutput Output)
{
    public Meter Meter { get; } = Run.Meter;

    /// <summary>The same with variables of its own.</summary>
    public Frame Inner() => new(Run, new Scope(Scope), Output);

    /// <summary>The same with variables and a text of its own.</summary>
    public Frame Aside() => new(Run, new Scope(Scope), new TextOutput(Meter));
}

/// <summary>Text that is written, up to a limit.</summary>
internal sealed class TextOutput(Meter meter)
{
    private readonly StringBuilder text = new();

    public int Length => text.Length;

    public void Append(string part)
    {
        text.Append(part);
        if (text.Length > Meter.MostText || part.Length > 1024) meter.Write(text.Length > Meter.MostText ? text.Length : part.Length);
    }

    public override string ToString() => text.ToString();
}

/// <summary>Variables; names are numbered by the template.</summary>
internal sealed class Scope
{
    /// <summary>Stands for a variable that is not there.</summary>
    public static readonly object Missing = new();

    private readonly Scope? parent;
    private int[] names;
    private object?[] values;
    private int count;

    /// <summary>Variables within others.</summary>
    public Scope(Scope parent)
    {
        this.parent = parent;
        (names, values) = (new int[4], new object?[4]);
    }

    /// <summary>The variables a template is given.</summary>
    /// <param name="values">By number; <see cref="Missing"/> where there is none.</param>
    public Scope(object?[] values)
    {
        this.values = values;
        names = [];
    }

    public object? Find(int name)
    {
        var scope = this;
        while (scope.parent is not null)
        {
            for (var i = scope.count - 1; i >= 0; i--)
            {
                if (scope.names[i] == name) return scope.values[i];
            }

            scope = scope.parent;
        }

        return scope.values[name];
    }

    public void Set(int name, object? value)
    {
        if (parent is null)
        {
            values[name] = value;
            return;
        }

        var at = Array.IndexOf(names, name, 0, count);
        if (at < 0)
        {
            if (count == names.Length)
            {
                Array.Resize(ref names, count * 2);
                Array.Resize(ref values, count * 2);
            }

            at = count++;
            names[at] = name;
        }

        values[at] = value;
    }

    /// <summary>Forgets its own variables.</summary>
    public void Clear() => count = 0;
}
