using System.Collections.Concurrent;

namespace Peft.Orleans.Core.Security;

/// <summary>Who makes a call: what its proof and its token say, remembered while it holds.</summary>
/// <param name="credentials">Whom this silo trusts.</param>
/// <param name="tokens">Tokens that give a role; null: none do.</param>
/// <param name="time">Time of day.</param>
public sealed class Callers(TlsCredentials credentials, TokenFile? tokens, TimeProvider time)
{
    /// <summary>Proofs remembered; more are forgotten together and looked at again.</summary>
    private const int MostRemembered = 4096;

    private readonly ConcurrentDictionary<string, Known> known = new(StringComparer.Ordinal);

    /// <summary>The role of whoever makes the call under way.</summary>
    /// <param name="reason">Why there is none.</param>
    public Role Current(out string reason)
    {
        var role = Proven(RequestContext.Get(CallProof.TicketKey) as string, out reason);
        if (role < Role.Operator && reason.Length == 0 && tokens is not null && RequestContext.Get(CallProof.TokenKey) is string token)
        {
            var given = tokens.RoleOf(token);
            if (given == Role.None) reason = "the token is none of this cluster's";
            if (given > role) role = given;
        }

        if (role == Role.None && reason.Length == 0)
        {
            reason = $"the certificate's subject has neither OU={CertificateRole.Operator} nor OU={CertificateRole.ReadOnly}, "
                + "and no token came";
        }

        return role;
    }

    private Role Proven(string? text, out string reason)
    {
        reason = "";
        if (text is null)
        {
            reason = "no proof of who calls came with it";
            return Role.None;
        }

        var own = credentials.Current;
        var now = time.GetUtcNow();
        if (known.TryGetValue(text, out var found) && found.Trust == own && now < found.Until) return found.Role;
        if (AccessTicket.Verify(text, own, credentials.Files.SiloName, now, out var role, out var until) is { } refusal)
        {
            reason = refusal;
            return Role.None;
        }

        if (known.Count >= MostRemembered) known.Clear();
        known[text] = new Known(role, until, own);
        return role;
    }

    private sealed record Known(Role Role, DateTimeOffset Until, TlsIdentity Trust);
}
