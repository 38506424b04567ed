using System.Collections.Concurrent;
using System.Reflection;
using Peft.Orleans.Core.Security;

namespace Peft.Orleans.Silo.Security;

/// <summary>
/// Asks of every call, to grains and to what is below them, who makes it. Silos may call everything; others what is marked for their role,
/// and what a client's runtime itself asks for; nothing else.
/// </summary>
internal sealed partial class CallGuard(Callers callers, ILogger<CallGuard> log) : IIncomingGrainCallFilter
{
    /// <summary>What a client's runtime asks for by itself.</summary>
    private static readonly Dictionary<string, Role> OfRuntime = new(StringComparer.Ordinal)
    {
        // Which grains there are, as it connects and whenever a silo comes or goes: whoever could connect, so that the calls after it tell
        // them what they lack.
        ["Orleans.Runtime.IClusterManifestSystemTarget"] = Role.None,
        // The end of a call that nobody waits for any more; it names the call, hence for those who may also make calls that do something.
        ["Orleans.Runtime.IGrainCallCancellationExtension"] = Role.Operator,
    };

    private readonly ConcurrentDictionary<MethodInfo, Role> required = new();

    /// <inheritdoc/>
    /// <exception cref="NotAllowedException">The caller may not.</exception>
    public Task Invoke(IIncomingGrainCallContext context)
    {
        // A grain's own timer: an object of this process, which no message can carry.
        if (context.Request.GetType().Name == "TimerTickInvoker") return context.Invoke();
        var least = required.GetOrAdd(context.InterfaceMethod, Required);
        var role = callers.Current(out var reason);
        if (role >= least) return context.Invoke();
        var what = $"{context.InterfaceName}.{context.MethodName}";
        LogRefused(what, $"{context.SourceId}", role, reason);
        throw new NotAllowedException(least == Role.Silo
            ? $"{what} is for silos only"
            : $"{what} is for {Word(least)}{(reason.Length > 0 ? $": {reason}" : $"; you have {Word(role)}")}");
    }

    private static Role Required(MethodInfo method) =>
        method.GetCustomAttribute<AllowedToAttribute>()?.Role
        ?? OfRuntime.GetValueOrDefault(method.DeclaringType?.FullName ?? "", Role.Silo);

    private static string Word(Role role) => role switch
    {
        Role.ReadOnly => "role read-only",
        Role.Operator => "role operator",
        Role.None => "no role",
        _ => "silos",
    };

    [LoggerMessage(Level = LogLevel.Warning, Message = "refused {Method}, called by {Source} with {Role}: {Reason}")]
    private partial void LogRefused(string method, string source, Role role, string reason);
}
