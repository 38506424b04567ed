using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Nodes;

/// <summary>An expression.</summary>
internal abstract class Expression
{
    /// <summary>Its value; counts a step, and stops before the stack ends.</summary>
    public object? Evaluate(Frame frame)
    {
        frame.Meter.Node();
        return Compute(frame);
    }

    protected abstract object? Compute(Frame frame);
}

/// <summary>A literal.</summary>
internal sealed class Constant(object? value) : Expression
{
    public object? Value { get; } = value;

    protected override object? Compute(Frame frame) => Value;
}

/// <summary>A variable, or a function that every template knows.</summary>
/// <param name="name">Its name.</param>
/// <param name="number">The name's number.</param>
/// <param name="known">The function; <see cref="Scope.Missing"/>: none of that name.</param>
internal sealed class Name(string name, int number, object? known) : Expression
{
    public string Text => name;

    public int Number => number;

    protected override object? Compute(Frame frame)
    {
        var value = frame.Scope.Find(number);
        if (!ReferenceEquals(value, Scope.Missing)) return value;
        if (!ReferenceEquals(known, Scope.Missing)) return known;
        return name == "strftime_now" ? frame.Run.Clock : Undefined.Variable(name);
    }
}

/// <summary>A list or a tuple.</summary>
internal sealed class Elements(Expression[] items, bool tuple) : Expression
{
    public Expression[] Items => items;

    public bool IsTuple => tuple;

    protected override object? Compute(Frame frame)
    {
        var values = new object?[items.Length];
        for (var i = 0; i < values.Length; i++) values[i] = items[i].Evaluate(frame);
        return tuple ? new TupleValue(values) : new ListValue(values);
    }
}

/// <summary>A dictionary.</summary>
internal sealed class Entries((Expression Key, Expression Value)[] items) : Expression
{
    protected override object? Compute(Frame frame)
    {
        var made = new DictValue(items.Length);
        foreach (var (key, value) in items) made.Set(key.Evaluate(frame), value.Evaluate(frame), frame.Meter);
        return made;
    }
}

/// <summary><c>a if condition else b</c>.</summary>
internal sealed class Conditional(Expression condition, Expression then, Expression? otherwise) : Expression
{
    protected override object? Compute(Frame frame)
    {
        if (Types.IsTrue(condition.Evaluate(frame))) return then.Evaluate(frame);
        return otherwise is not null
            ? otherwise.Evaluate(frame)
            : new Undefined(null, null, "the inline if-expression evaluated to false and no else section was defined.");
    }
}
