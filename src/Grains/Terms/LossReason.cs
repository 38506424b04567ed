using Orleans.Runtime;

namespace Peft.Orleans.Grains.Terms;

/// <summary>Why a term was lost, for people: of a call that failed Orleans tells the message and its addresses, not the silo.</summary>
internal static class LossReason
{
    /// <summary>A sentence without its end.</summary>
    /// <param name="error">What ended the term.</param>
    /// <param name="live">Its silos.</param>
    internal static string Of(Exception error, IReadOnlyDictionary<string, SiloAddress> live)
    {
        var message = error.Message;
        var call = message.IndexOf(" for message", StringComparison.Ordinal);
        if (call < 0 || error is not (SiloUnavailableException or TimeoutException)) return message;
        var silo = live.FirstOrDefault(silo => message.Contains($"->[{silo.Value} ", StringComparison.Ordinal)).Key;
        if (silo is null) return message[..call];
        return error is TimeoutException ? $"{silo} has not answered in time" : $"{silo} no longer answers";
    }
}
