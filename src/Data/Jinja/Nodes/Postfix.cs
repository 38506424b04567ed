using Peft.Orleans.Data.Jinja.Builtins;
using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Nodes;

/// <summary><c>value.name</c>.</summary>
internal sealed class GetAttribute(Expression value, string name) : Expression
{
    public string Field => name;

    protected override object? Compute(Frame frame) => Attributes.Get(value.Evaluate(frame), name, frame.Meter);
}

/// <summary><c>value[index]</c>.</summary>
internal sealed class GetItem(Expression value, Expression index) : Expression
{
    protected override object? Compute(Frame frame) => Attributes.Item(value.Evaluate(frame), index.Evaluate(frame), frame.Meter);
}

/// <summary><c>value[from:to:step]</c>.</summary>
internal sealed class GetSlice(Expression value, Expression? from, Expression? to, Expression? step) : Expression
{
    protected override object? Compute(Frame frame)
    {
        var sliced = value.Evaluate(frame);
        var slice = new SliceValue(from?.Evaluate(frame), to?.Evaluate(frame), step?.Evaluate(frame));
        return Subscripts.TryGet(sliced, slice, frame.Meter, out var part)
            ? part
            : throw JinjaException.Impossible($"'{Types.Name(sliced)}' object is not subscriptable");
    }
}

/// <summary>The arguments of a call.</summary>
internal sealed class CallArguments(
    Expression[] positional,
    (string Name, Expression Value)[] named,
    Expression? morePositional,
    Expression? moreNamed)
{
    public static readonly CallArguments None = new([], [], null, null);

    public IReadOnlyList<Expression> Positional => positional;

    public IReadOnlyList<(string Name, Expression Value)> Named => named;

    public Arguments Evaluate(Frame frame, (string, object?)? extra = null)
    {
        if (positional.Length + named.Length == 0 && morePositional is null && moreNamed is null && extra is null) return Arguments.None;
        var values = new object?[positional.Length];
        for (var i = 0; i < values.Length; i++) values[i] = positional[i].Evaluate(frame);
        if (morePositional is not null) values = [.. values, .. Sequence.ToArray(morePositional.Evaluate(frame), frame.Meter)];
        var names = named.Length == 0 ? [] : new (string, object?)[named.Length];
        for (var i = 0; i < names.Length; i++) names[i] = (named[i].Name, named[i].Value.Evaluate(frame));
        if (extra is { } given) names = [.. names, given];
        return new Arguments(values, moreNamed is null ? names : [.. names, .. More(moreNamed.Evaluate(frame), frame.Meter)]);
    }

    private static IEnumerable<(string, object?)> More(object? value, Meter meter)
    {
        if (value is not DictValue dictionary) throw JinjaException.Impossible("argument after ** must be a mapping");
        meter.Step(dictionary.Count);
        return dictionary.Keys.Zip(dictionary.Values, static (key, item) => (Types.RequireText(key, "a keyword"), item));
    }
}

/// <summary><c>function(arguments)</c>.</summary>
internal sealed class Call(Expression function, CallArguments arguments, int line) : Expression
{
    protected override object? Compute(Frame frame) => Invoke(frame, null);

    /// <summary>Calls with one more argument (<c>caller</c>).</summary>
    public object? Invoke(Frame frame, (string, object?)? extra)
    {
        var called = function.Evaluate(frame);
        if (called is not Callable callable)
            throw (called as Undefined)?.Error() ?? JinjaException.Impossible($"'{Types.Name(called)}' object is not callable");
        var given = arguments.Evaluate(frame, extra);
        frame.Meter.Line = line;
        return callable.Call(frame.Meter, given);
    }
}

/// <summary><c>value | filter(arguments)</c>.</summary>
/// <param name="value">The value; null: the text of the block around it.</param>
/// <param name="name">The filter's name.</param>
/// <param name="filter">The filter; null: there is none of that name.</param>
/// <param name="arguments">Its arguments.</param>
internal sealed class Filtered(Expression? value, string name, Filter? filter, CallArguments arguments) : Expression
{
    protected override object? Compute(Frame frame) => Apply(frame, null);

    /// <summary>The value, filtered, where <paramref name="text"/> stands for the block's.</summary>
    public object? Apply(Frame frame, string? text)
    {
        frame.Meter.Node();
        if (filter is null) throw JinjaException.Impossible($"No filter named '{name}' found.");
        var input = value switch
        {
            null => text,
            Filtered inner => inner.Apply(frame, text),
            _ => value.Evaluate(frame),
        };
        return filter(frame.Meter, input, arguments.Evaluate(frame));
    }
}

/// <summary><c>value is test(arguments)</c>.</summary>
internal sealed class Tested(Expression value, string name, Test? test, CallArguments arguments) : Expression
{
    protected override object? Compute(Frame frame)
    {
        if (test is null) throw JinjaException.Impossible($"No test named '{name}' found.");
        return Types.Box(test(frame.Meter, value.Evaluate(frame), arguments.Evaluate(frame)));
    }
}
