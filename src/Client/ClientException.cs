using Peft.Orleans.Core;

namespace Peft.Orleans.Client;

/// <summary>An error for the user with an exit code of its own.</summary>
internal sealed class ClientException(int exitCode, string message, Exception? inner = null) : PeftException(message, inner!)
{
    /// <summary>One of <see cref="ExitCodes"/>.</summary>
    public int ExitCode { get; } = exitCode;
}
