using Peft.Orleans.Data.Jinja.Builtins;
using Peft.Orleans.Data.Jinja.Nodes;
using Peft.Orleans.Data.Jinja.Syntax;
using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja;

/// <summary>
/// A Jinja template in the environment that transformers gives chat templates: blocks trimmed, no autoescape, undefined values print
/// nothing, an immutable sandbox, loop controls, <c>{% generation %}</c>. It reaches its variables and nothing else, and stops at the
/// bounds of <see cref="Meter"/>. Safe to use from several threads.
/// </summary>
internal sealed class JinjaTemplate
{
    private readonly Statement[] body;
    private readonly IReadOnlyDictionary<string, int> names;
    private readonly IReadOnlySet<string> fields;

    private JinjaTemplate(Statement[] body, IReadOnlyDictionary<string, int> names, IReadOnlySet<string> fields)
    {
        this.body = body;
        this.names = names;
        this.fields = fields;
    }

    /// <summary>Whether the template names a variable, function or attribute of this name where variables are named.</summary>
    public bool Reads(string name) => names.ContainsKey(name);

    /// <summary>Whether an expression of the template reads a field of this name of some value.</summary>
    public bool ReadsField(string name) => fields.Contains(name);

    /// <summary>Reads a template.</summary>
    /// <exception cref="JinjaException">It is not written as a template is; with the line.</exception>
    public static JinjaTemplate Parse(string text)
    {
        var (body, names, fields) = Parser.Parse(text);
        return new JinjaTemplate(body, names, fields);
    }

    /// <summary>Renders the template.</summary>
    /// <param name="variables">Its variables.</param>
    /// <param name="clock">The time that <c>strftime_now</c> tells.</param>
    /// <exception cref="JinjaException">It fails, with the line; or it exceeds a bound.</exception>
    public JinjaText Render(IEnumerable<KeyValuePair<string, object?>> variables, Func<DateTimeOffset> clock)
    {
        var meter = new Meter();
        var output = new TextOutput(meter);
        var values = new object?[names.Count];
        Array.Fill(values, Scope.Missing);
        foreach (var (name, value) in variables)
        {
            if (names.TryGetValue(name, out var number)) values[number] = value;
        }

        var run = new Rendering(meter, Globals.Clock(clock), output);
        try
        {
            Statement.Execute(body, new Frame(run, new Scope(values), output));
        }
        catch (JinjaException error) when (error.Line == 0)
        {
            error.Line = meter.Line;
            throw;
        }

        return new JinjaText(output.ToString(), run.Generation, run.MisplacedGeneration);
    }
}

/// <summary>What a template rendered.</summary>
/// <param name="Text">The text.</param>
/// <param name="Generation">What <c>{% generation %}</c> marks, in UTF-16 units.</param>
/// <param name="MisplacedGeneration">Whether a mark's place in the text is not known.</param>
internal sealed record JinjaText(string Text, IReadOnlyList<Range> Generation, bool MisplacedGeneration);
