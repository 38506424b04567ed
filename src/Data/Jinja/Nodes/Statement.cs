using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Nodes;

/// <summary>How a statement ends.</summary>
internal enum Flow
{
    Next,
    Break,
    Continue,
}

/// <summary>A statement.</summary>
internal abstract class Statement
{
    /// <summary>Its line, from 1; 0: it has none that matters.</summary>
    public int Line { get; init; }

    /// <summary>Carries it out; counts a step, and stops before the stack ends.</summary>
    public Flow Execute(Frame frame)
    {
        if (Line > 0) frame.Meter.Line = Line;
        frame.Meter.Node();
        return Run(frame);
    }

    /// <summary>Carries statements out, up to one that leaves a loop.</summary>
    public static Flow Execute(Statement[] body, Frame frame)
    {
        foreach (var statement in body)
        {
            if (statement.Execute(frame) is var flow and not Flow.Next) return flow;
        }

        return Flow.Next;
    }

    protected abstract Flow Run(Frame frame);
}

/// <summary>Text of the template.</summary>
internal sealed class Literal(string text) : Statement
{
    protected override Flow Run(Frame frame)
    {
        frame.Output.Append(text);
        return Flow.Next;
    }
}

/// <summary><c>{{ value }}</c>.</summary>
internal sealed class Print(Expression value) : Statement
{
    protected override Flow Run(Frame frame)
    {
        var printed = value.Evaluate(frame);
        frame.Output.Append(printed as string ?? Printing.Str(printed, frame.Meter));
        return Flow.Next;
    }
}

/// <summary><c>{% if %}</c>.</summary>
internal sealed class If((Expression Condition, Statement[] Body)[] branches, Statement[] otherwise) : Statement
{
    protected override Flow Run(Frame frame)
    {
        foreach (var (condition, body) in branches)
        {
            if (Types.IsTrue(condition.Evaluate(frame))) return Execute(body, frame);
        }

        return Execute(otherwise, frame);
    }
}

/// <summary><c>{% break %}</c>, <c>{% continue %}</c>.</summary>
internal sealed class Leave(Flow flow) : Statement
{
    protected override Flow Run(Frame frame) => flow;
}

/// <summary><c>{% with %}</c>, and other blocks with variables of their own.</summary>
internal sealed class With((Target Target, Expression Value)[] variables, Statement[] body) : Statement
{
    protected override Flow Run(Frame frame)
    {
        var inner = frame.Inner();
        foreach (var (target, value) in variables) target.Assign(inner, value.Evaluate(frame));
        return Execute(body, inner);
    }
}

/// <summary><c>{% generation %}</c>: what the model writes.</summary>
internal sealed class Generation(Statement[] body) : Statement
{
    protected override Flow Run(Frame frame)
    {
        var start = frame.Output.Length;
        Execute(body, frame.Inner());
        if (ReferenceEquals(frame.Output, frame.Run.Main)) frame.Run.Generation.Add(start..frame.Output.Length);
        else frame.Run.MisplacedGeneration = true;
        return Flow.Next;
    }
}

/// <summary><c>{% filter %}</c>.</summary>
internal sealed class FilterBlock(Filtered filter, Statement[] body) : Statement
{
    protected override Flow Run(Frame frame)
    {
        var inner = frame.Aside();
        if (Execute(body, inner) is var flow and not Flow.Next) return flow;
        frame.Output.Append(Printing.Str(filter.Apply(frame, inner.Output.ToString()), frame.Meter));
        return Flow.Next;
    }
}
