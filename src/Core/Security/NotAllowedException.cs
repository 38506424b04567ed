namespace Peft.Orleans.Core.Security;

/// <summary>The caller's role does not reach what was asked for; the message says which does.</summary>
[GenerateSerializer]
[Alias("Peft.Orleans.NotAllowedException")]
public sealed class NotAllowedException : PeftException
{
    /// <summary>What was refused, and the remedy.</summary>
    public NotAllowedException(string message) : base(message) { }
}
