namespace Peft.Orleans.Data.Jinja.Values;

/// <summary>Why a template failed.</summary>
internal enum JinjaFailure
{
    /// <summary>It is not written as a template is.</summary>
    Syntax,

    /// <summary>It asks something of a value that is not there.</summary>
    Undefined,

    /// <summary>It refuses the conversation in its own words (<c>raise_exception</c>).</summary>
    Raised,

    /// <summary>An operation is not possible with the values it meets.</summary>
    Other,

    /// <summary>It takes more steps, text or depth than any chat template needs.</summary>
    Limit,
}

/// <summary>A template failed.</summary>
/// <param name="kind">Why.</param>
/// <param name="message">In words; those of the template where it raised them.</param>
internal sealed class JinjaException(JinjaFailure kind, string message) : Exception(message)
{
    /// <summary>Why.</summary>
    public JinjaFailure Kind { get; } = kind;

    /// <summary>Line of the template, from 1; 0: not known yet.</summary>
    public int Line { get; set; }

    /// <summary>An operation that is not possible.</summary>
    public static JinjaException Impossible(string message) => new(JinjaFailure.Other, message);
}
