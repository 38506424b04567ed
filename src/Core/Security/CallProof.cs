namespace Peft.Orleans.Core.Security;

/// <summary>Puts into every call a process makes what proves who makes it, and nothing that came with another's.</summary>
/// <param name="credentials">The process's certificate.</param>
/// <param name="token">A token beside it; null: none.</param>
/// <param name="time">Time of day.</param>
public sealed class CallProof(TlsCredentials credentials, string? token, TimeProvider time) : IOutgoingGrainCallFilter
{
    /// <summary>Key of the proof in a call's context.</summary>
    internal const string TicketKey = "peft.proof";

    /// <summary>Key of a token there.</summary>
    internal const string TokenKey = "peft.token";

    private static readonly TimeSpan Renewal = TimeSpan.FromMinutes(2);

    private Ticket? current;

    /// <inheritdoc/>
    public async Task Invoke(IOutgoingGrainCallContext context)
    {
        // Never to a client: it could present itself with it.
        if (context.TargetId.IsClient())
        {
            RequestContext.Remove(TicketKey);
            RequestContext.Remove(TokenKey);
        }
        else
        {
            RequestContext.Set(TicketKey, Text());
            if (token is not null) RequestContext.Set(TokenKey, token);
            else RequestContext.Remove(TokenKey);
        }

        await context.Invoke();
    }

    private string Text()
    {
        var identity = credentials.Current;
        var now = time.GetUtcNow();
        var ticket = current;
        if (ticket is null || ticket.Identity != identity || (now - ticket.Issued).Duration() > Renewal)
            current = ticket = new Ticket(AccessTicket.Issue(identity, credentials.Files.SiloName, now), identity, now);
        return ticket.Text;
    }

    private sealed record Ticket(string Text, TlsIdentity Identity, DateTimeOffset Issued);
}
