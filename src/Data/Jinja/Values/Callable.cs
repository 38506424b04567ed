namespace Peft.Orleans.Data.Jinja.Values;

/// <summary>What a template can call.</summary>
internal abstract class Callable
{
    /// <summary>Its name, for errors and where it is printed.</summary>
    public abstract string Name { get; }

    public abstract object? Call(Meter meter, Arguments arguments);
}

/// <summary>A function of this program.</summary>
internal sealed class Function(string name, Func<Meter, Arguments, object?> body) : Callable
{
    public override string Name => name;

    public override object? Call(Meter meter, Arguments arguments) => body(meter, arguments);
}

/// <summary>A value with attributes of its own.</summary>
internal interface IAttributes
{
    /// <summary>An attribute; false: there is none of that name.</summary>
    bool TryGet(string name, Meter meter, out object? value);
}

/// <summary>What a template may set attributes of.</summary>
internal sealed class NamespaceValue(DictValue attributes) : IAttributes
{
    public DictValue Attributes { get; } = attributes;

    public bool TryGet(string name, Meter meter, out object? value) => Attributes.TryGet(name, meter, out value);
}
