namespace Peft.Orleans.Data.Jinja.Values;

/// <summary>Arguments of a call, by position and by name.</summary>
internal readonly struct Arguments(object?[] positional, (string Name, object? Value)[] named)
{
    /// <summary>Stands for an argument that was not given.</summary>
    public static readonly object Absent = new();

    public static readonly Arguments None = new([], []);

    public object?[] Positional { get; } = positional;

    public (string Name, object? Value)[] Named { get; } = named;

    /// <summary>Arguments in the order of a function's parameters; <see cref="Absent"/> where one is not given.</summary>
    /// <exception cref="JinjaException">There are too many, or one that the function does not have.</exception>
    public object?[] Bind(string function, params ReadOnlySpan<string> parameters)
    {
        if (Positional.Length > parameters.Length)
            throw JinjaException.Impossible($"{function}() takes {parameters.Length} arguments, not {Positional.Length}");
        var bound = new object?[parameters.Length];
        Array.Fill(bound, Absent);
        Positional.CopyTo(bound, 0);
        foreach (var (name, value) in Named)
        {
            var at = parameters.IndexOf(name);
            if (at < 0) throw JinjaException.Impossible($"{function}() got an unexpected keyword argument '{name}'");
            if (!ReferenceEquals(bound[at], Absent))
                throw JinjaException.Impossible($"{function}() got multiple values for argument '{name}'");
            bound[at] = value;
        }

        return bound;
    }

    /// <summary>Positional arguments of a function that knows no names.</summary>
    public object?[] OnlyPositional(string function, int least, int most)
    {
        if (Named.Length > 0) throw JinjaException.Impossible($"{function}() takes no keyword arguments");
        if (Positional.Length < least || Positional.Length > most)
            throw JinjaException.Impossible($"{function}() takes {least} to {most} arguments, not {Positional.Length}");
        return Positional;
    }

    /// <summary>A named argument; <see cref="Absent"/>: not given.</summary>
    public object? Find(string name)
    {
        foreach (var (other, value) in Named)
        {
            if (other == name) return value;
        }

        return Absent;
    }
}
