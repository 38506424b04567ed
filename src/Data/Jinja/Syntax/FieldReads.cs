using Peft.Orleans.Data.Jinja.Nodes;

namespace Peft.Orleans.Data.Jinja.Syntax;

/// <summary>
/// The fields that a template's expressions name: attributes, elements by a text, texts given to <c>get</c> and to filters that take an
/// attribute's name; a subscript that is a variable stands for the texts it is given in the template. What is compared or written is none.
/// </summary>
internal sealed class FieldReads
{
    private readonly HashSet<string> fields = new(StringComparer.Ordinal);

    // By the numbers of names: the texts a name is given, which names are subscripts, which are macros' parameters.
    private readonly Dictionary<int, HashSet<string>> texts = [];
    private readonly HashSet<int> subscripts = [];
    private readonly HashSet<int> parameters = [];

    // What is given to macros, whichever parameter it comes to.
    private readonly HashSet<string> given = new(StringComparer.Ordinal);

    /// <summary>All of them, once the template is read.</summary>
    public IReadOnlySet<string> All()
    {
        foreach (var name in subscripts)
        {
            if (texts.TryGetValue(name, out var known)) fields.UnionWith(known);
            if (parameters.Contains(name)) fields.UnionWith(given);
        }

        return fields;
    }

    /// <summary><c>value.name</c>.</summary>
    public void Attribute(string name) => fields.Add(name);

    /// <summary><c>value[index]</c>.</summary>
    public void Subscript(Expression index)
    {
        if (index is Constant { Value: string text }) fields.Add(text);
        else if (index is Name name) subscripts.Add(name.Number);
    }

    /// <summary>A function's call: <c>value.get('name')</c>, or that of a macro.</summary>
    public void Call(Expression function, CallArguments arguments)
    {
        if (function is GetAttribute { Field: "get" } && arguments.Positional is [var field, ..]) Subscript(field);
        if (function is not Name) return;
        foreach (var argument in arguments.Positional.Concat(arguments.Named.Select(static named => named.Value)))
        {
            if (argument is Constant { Value: string text }) given.Add(text);
        }
    }

    /// <summary>A filter, some of which take the name of an attribute.</summary>
    public void Filter(string filter, CallArguments arguments)
    {
        var place = filter switch
        {
            "attr" or "selectattr" or "rejectattr" or "groupby" or "sum" => 0,
            "join" or "unique" or "min" or "max" => 1,
            "sort" => 2,
            _ => int.MaxValue,
        };
        if (place < arguments.Positional.Count) Path(arguments.Positional[place]);
        foreach (var (name, value) in arguments.Named)
        {
            if (name == "attribute") Path(value);
        }
    }

    /// <summary>What a name is given: a text, or one after the other of a list's.</summary>
    public void Given(Target target, Expression value)
    {
        if (target is NameTarget name) Given(name.Number, value);
    }

    /// <summary>A macro's parameter, with what it is where it is not given.</summary>
    public void Parameter(int number, Expression? absent)
    {
        parameters.Add(number);
        if (absent is not null) Given(number, absent);
    }

    private void Given(int number, Expression value)
    {
        foreach (var item in value is Elements list ? list.Items : [value])
        {
            if (item is not Constant { Value: string text }) continue;
            if (!texts.TryGetValue(number, out var known)) texts[number] = known = new HashSet<string>(StringComparer.Ordinal);
            known.Add(text);
        }
    }

    // An attribute of an attribute has points between the names, several to sort by have commas.
    private void Path(Expression attribute)
    {
        if (attribute is Constant { Value: string path }) fields.UnionWith(path.Split('.', ','));
        else Subscript(attribute);
    }
}
