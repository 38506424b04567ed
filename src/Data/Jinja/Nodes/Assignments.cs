using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Nodes;

/// <summary>What a value is assigned to.</summary>
internal abstract class Target
{
    public abstract void Assign(Frame frame, object? value);
}

/// <summary>A variable.</summary>
internal sealed class NameTarget(int number) : Target
{
    public int Number => number;

    public override void Assign(Frame frame, object? value) => frame.Scope.Set(number, value);
}

/// <summary>Several, from the elements of a value.</summary>
internal sealed class TupleTarget(Target[] parts) : Target
{
    public override void Assign(Frame frame, object? value)
    {
        if (value is Undefined undefined && parts.Length > 0) throw undefined.Error();
        var items = Sequence.ToArray(value, frame.Meter);
        if (items.Length != parts.Length)
        {
            var wrong = items.Length < parts.Length ? "not enough" : "too many";
            throw JinjaException.Impossible($"{wrong} values to unpack (expected {parts.Length}, got {items.Length})");
        }

        for (var i = 0; i < parts.Length; i++) parts[i].Assign(frame, items[i]);
    }
}

/// <summary>An attribute of a namespace.</summary>
internal sealed class NamespaceTarget(Expression owner, string name) : Target
{
    public override void Assign(Frame frame, object? value)
    {
        var target = owner.Evaluate(frame) as NamespaceValue
            ?? throw JinjaException.Impossible("cannot assign attribute on non-namespace object");
        target.Attributes.Set(name, value, frame.Meter);
    }
}

/// <summary><c>{% set %}</c>.</summary>
internal sealed class Set(Target target, Expression value) : Statement
{
    protected override Flow Run(Frame frame)
    {
        target.Assign(frame, value.Evaluate(frame));
        return Flow.Next;
    }
}

/// <summary><c>{% set %}…{% endset %}</c>.</summary>
internal sealed class SetBlock(Target target, Filtered? filter, Statement[] body) : Statement
{
    protected override Flow Run(Frame frame)
    {
        var inner = frame.Aside();
        if (Execute(body, inner) is var flow and not Flow.Next) return flow;
        var text = inner.Output.ToString();
        target.Assign(frame, filter is null ? text : filter.Apply(frame, text));
        return Flow.Next;
    }
}
