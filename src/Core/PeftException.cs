namespace Peft.Orleans.Core;

/// <summary>
/// An error the user can mend: the message says what was wrong, where (file, key, layer) and what to do. It crosses silos.
/// </summary>
[GenerateSerializer]
[Alias("Peft.Orleans.PeftException")]
public class PeftException : Exception
{
    /// <summary>An error with its remedy in the message.</summary>
    public PeftException(string message) : base(message) { }

    /// <summary>An error with its cause.</summary>
    public PeftException(string message, Exception inner) : base(message, inner) { }
}
