using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Nodes;

/// <summary>A macro as it is written: parameters, body, and which of the arguments beyond them it reads.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Parameters">Names, their numbers, and what stands for those not given.</param>
/// <param name="Body">What it writes.</param>
/// <param name="Varargs">Number of the name <c>varargs</c>, where the body reads it.</param>
/// <param name="Kwargs">Number of the name <c>kwargs</c>, where the body reads it.</param>
/// <param name="Caller">Number of the name <c>caller</c>, where the body reads it.</param>
internal sealed record MacroDefinition(
    string Name,
    (string Name, int Number, Expression? Default)[] Parameters,
    Statement[] Body,
    int? Varargs,
    int? Kwargs,
    int? Caller);

/// <summary><c>{% macro %}</c>.</summary>
internal sealed class Macro(MacroDefinition definition, Target target) : Statement
{
    protected override Flow Run(Frame frame)
    {
        target.Assign(frame, new MacroValue(definition, frame));
        return Flow.Next;
    }
}

/// <summary><c>{% call %}</c>: a call that is given its body as <c>caller</c>.</summary>
internal sealed class CallBlock(Call call, MacroDefinition body) : Statement
{
    protected override Flow Run(Frame frame)
    {
        var result = call.Invoke(frame, ("caller", new MacroValue(body, frame)));
        frame.Output.Append(Printing.Str(result, frame.Meter));
        return Flow.Next;
    }
}

/// <summary>A macro that can be called; it sees the variables of where it was defined.</summary>
internal sealed class MacroValue(MacroDefinition definition, Frame home) : Callable, IAttributes
{
    public override string Name => definition.Name;

    public bool TryGet(string name, Meter meter, out object? value)
    {
        value = name == "name" ? Name : null;
        return name == "name";
    }

    public override object? Call(Meter meter, Arguments arguments)
    {
        meter.Enter();
        var frame = home.Aside();
        Bind(frame, arguments);
        Statement.Execute(definition.Body, frame);
        meter.Leave();
        return frame.Output.ToString();
    }

    private void Bind(Frame frame, Arguments arguments)
    {
        var parameters = definition.Parameters;
        var named = arguments.Named.ToList();
        for (var i = 0; i < parameters.Length; i++)
        {
            var (name, number, absent) = parameters[i];
            var at = named.FindIndex(given => given.Name == name);
            object? value;
            if (i < arguments.Positional.Length)
            {
                if (at >= 0) throw JinjaException.Impossible($"macro '{Name}' got multiple values for argument '{name}'");
                value = arguments.Positional[i];
            }
            else if (at >= 0)
            {
                value = named[at].Value;
                named.RemoveAt(at);
            }
            else
            {
                value = absent is null ? new Undefined(null, name, $"parameter '{name}' was not provided") : absent.Evaluate(frame);
            }

            frame.Scope.Set(number, value);
        }

        BindCaller(frame, named);
        if (definition.Kwargs is { } kwargs)
        {
            var made = new DictValue();
            foreach (var (name, value) in named) made.Set(name, value, frame.Meter);
            frame.Scope.Set(kwargs, made);
        }
        else if (named.Count > 0)
        {
            throw JinjaException.Impossible($"macro '{Name}' takes no keyword argument '{named[0].Name}'");
        }

        var extra = arguments.Positional.Length > parameters.Length ? arguments.Positional[parameters.Length..] : [];
        if (definition.Varargs is { } varargs) frame.Scope.Set(varargs, new TupleValue(extra));
        else if (extra.Length > 0)
            throw JinjaException.Impossible($"macro '{Name}' takes not more than {parameters.Length} argument(s)");
    }

    private void BindCaller(Frame frame, List<(string Name, object? Value)> named)
    {
        if (definition.Caller is not { } caller) return;
        if (definition.Parameters.Any(static parameter => parameter.Name == "caller")) return;
        var at = named.FindIndex(static given => given.Name == "caller");
        frame.Scope.Set(caller, at >= 0 ? named[at].Value : new Undefined(null, null, "No caller defined"));
        if (at >= 0) named.RemoveAt(at);
    }
}
