namespace Peft.Orleans.Data.Jinja.Values;

/// <summary>A value that is not there: it prints as nothing, is false and empty, and fails where more is asked of it.</summary>
/// <param name="owner">What was asked for it; <see cref="Nothing"/>: the variables.</param>
/// <param name="name">By which name, or index.</param>
/// <param name="hint">What to say instead; null: nothing special.</param>
internal sealed class Undefined(object? owner, object? name, string? hint = null)
{
    /// <summary>Stands for no owner.</summary>
    public static readonly object Nothing = new();

    /// <summary>Whether the sandbox keeps it from the template.</summary>
    public bool Unsafe { get; init; }

    /// <summary>A variable that is not defined.</summary>
    public static Undefined Variable(string name) => new(Nothing, name);

    /// <summary>What to throw where it is used.</summary>
    public JinjaException Error() => new(Unsafe ? JinjaFailure.Other : JinjaFailure.Undefined, hint ?? Reason());

    private string Reason()
    {
        if (ReferenceEquals(owner, Nothing)) return $"'{name}' is undefined";
        var kind = owner is null ? "None" : Types.Name(owner) + " object";
        return name is string text ? $"'{kind}' has no attribute '{text}'" : $"'{kind}' has no element {name}";
    }
}
