using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Nodes;

/// <summary><c>{% for %}</c>.</summary>
/// <param name="target">What each element is assigned to.</param>
/// <param name="elements">What is gone through.</param>
/// <param name="condition">Which elements count; null: all.</param>
/// <param name="body">What is done with each.</param>
/// <param name="otherwise">What is done where there is none.</param>
/// <param name="recursive">Whether the body may call the loop.</param>
/// <param name="loopNumber">The number of the name <c>loop</c>.</param>
internal sealed class For(
    Target target,
    Expression elements,
    Expression? condition,
    Statement[] body,
    Statement[] otherwise,
    bool recursive,
    int loopNumber) : Statement
{
    protected override Flow Run(Frame frame)
    {
        Loop(frame, elements.Evaluate(frame), 0);
        return Flow.Next;
    }

    private void Loop(Frame frame, object? source, int depth)
    {
        Func<object?, string>? again = recursive ? Again : null;
        var (items, length) = Items(frame, source);
        using var iterator = items.GetEnumerator();
        var loop = new LoopValue(iterator, length, depth, again);
        var inner = frame.Inner();
        while (loop.MoveNext(frame.Meter))
        {
            inner.Scope.Clear();
            target.Assign(inner, loop.Current);
            inner.Scope.Set(loopNumber, loop);
            if (Execute(body, inner) == Flow.Break) return;
        }

        if (loop.Count == 0) Execute(otherwise, frame.Inner());

        string Again(object? more)
        {
            frame.Meter.Enter();
            var output = new TextOutput(frame.Meter);
            Loop(frame with { Output = output }, more, depth + 1);
            frame.Meter.Leave();
            return output.ToString();
        }
    }

    private (IEnumerable<object?> Items, long? Length) Items(Frame frame, object? source)
    {
        var items = Sequence.Iterate(source, frame.Meter);
        if (condition is null) return (items, source is IteratorValue ? null : Sequence.Length(source, frame.Meter));
        return (Chosen(), null);

        IEnumerable<object?> Chosen()
        {
            var inner = frame.Inner();
            foreach (var item in items)
            {
                frame.Meter.Step();
                inner.Scope.Clear();
                target.Assign(inner, item);
                if (Types.IsTrue(condition.Evaluate(inner))) yield return item;
            }
        }
    }
}

/// <summary>The variable <c>loop</c>.</summary>
/// <param name="items">What is gone through.</param>
/// <param name="length">How many there are; null: not known before the end.</param>
/// <param name="depth">How often the loop called itself.</param>
/// <param name="again">Renders the body with other elements; null: it may not.</param>
internal sealed class LoopValue(IEnumerator<object?> items, long? length, int depth, Func<object?, string>? again) : Callable, IAttributes
{
    private readonly Queue<object?> ahead = new();
    private object? before;
    private object?[]? compared;
    private long? known = length;

    public override string Name => "loop";

    /// <summary>How many elements were reached.</summary>
    public long Count { get; private set; }

    public object? Current { get; private set; }

    public bool MoveNext(Meter meter)
    {
        meter.Step();
        if (!ahead.TryDequeue(out var next))
        {
            if (!items.MoveNext()) return false;
            next = items.Current;
        }

        (before, Current) = (Current, next);
        Count++;
        return true;
    }

    public bool TryGet(string name, Meter meter, out object? value)
    {
        value = name switch
        {
            "index" => Count,
            "index0" => Count - 1,
            "first" => Types.Box(Count == 1),
            "last" => Types.Box(!Peek()),
            "length" => Length(meter),
            "revindex" => Length(meter) - Count + 1,
            "revindex0" => Length(meter) - Count,
            "depth" => depth + 1L,
            "depth0" => (long)depth,
            "previtem" => Count == 1 ? new Undefined(null, null, "there is no previous item") : before,
            "nextitem" => Peek() ? ahead.Peek() : new Undefined(null, null, "there is no next item"),
            "cycle" => new Function("cycle", (_, arguments) =>
                arguments.OnlyPositional("cycle", 1, int.MaxValue) is var given ? given[(Count - 1) % given.Length] : null),
            "changed" => new Function("changed", Changed),
            _ => Scope.Missing,
        };
        return !ReferenceEquals(value, Scope.Missing);
    }

    public override object? Call(Meter meter, Arguments arguments) =>
        again is null
            ? throw JinjaException.Impossible("The loop must have the 'recursive' marker to be called recursively.")
            : again(arguments.OnlyPositional("loop", 1, 1)[0]);

    private bool Peek()
    {
        if (ahead.Count > 0) return true;
        if (!items.MoveNext()) return false;
        ahead.Enqueue(items.Current);
        return true;
    }

    private long Length(Meter meter)
    {
        if (known is { } length) return length;
        while (items.MoveNext())
        {
            meter.Step();
            ahead.Enqueue(items.Current);
        }

        known = Count + ahead.Count;
        return known.Value;
    }

    private object? Changed(Meter meter, Arguments arguments)
    {
        var given = arguments.Positional;
        var same = compared is not null && Equality.AreEqual(new TupleValue(compared), new TupleValue(given), meter);
        compared = given;
        return Types.Box(!same);
    }
}
