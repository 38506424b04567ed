using System.Security.Claims;
using System.Text;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;
using Peft.Orleans.Core.Security;

namespace Peft.Orleans.Silo.Security;

/// <summary>
/// The role of an HTTP request: of its certificate's subject, or of a token, as <c>Authorization: Bearer TOKEN</c> or as the password of
/// <c>Basic</c>, which is what browsers ask for.
/// </summary>
internal sealed class RoleAuthentication(
    SiloSecurity security, IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logs, UrlEncoder encoder)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logs, encoder)
{
    internal new const string Scheme = "peft";

    private const int LongestHeader = 2048;

    /// <inheritdoc/>
    protected override Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var role = Role.None;
        if (security.Peers is { } peers && Context.Connection.ClientCertificate is { } certificate)
            role = CertificateRole.Of(certificate, peers.Credentials.Files.SiloName);
        if (role == Role.None && security.Tokens is { } tokens && Token(Request.Headers.Authorization.ToString()) is { } token)
            role = tokens.RoleOf(token);
        if (role == Role.None) return Task.FromResult(AuthenticateResult.NoResult());
        var identity = new ClaimsIdentity([new Claim(ClaimTypes.Role, role.ToString())], Scheme);
        return Task.FromResult(AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(identity), Scheme)));
    }

    /// <inheritdoc/>
    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        Response.StatusCode = StatusCodes.Status401Unauthorized;
        Response.Headers.WWWAuthenticate = "Basic realm=\"peft: a token as password\", charset=\"UTF-8\"";
        return Task.CompletedTask;
    }

    /// <summary>The token in a header; null: there is none.</summary>
    internal static string? Token(string header)
    {
        if (header.Length > LongestHeader) return null;
        if (header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase)) return header["Bearer ".Length..].Trim();
        if (!header.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase)) return null;
        var bytes = new byte[header.Length];
        if (!Convert.TryFromBase64String(header["Basic ".Length..].Trim(), bytes, out var length)) return null;
        // Name and password; the name says nothing.
        var parts = Encoding.UTF8.GetString(bytes, 0, length).Split((char[])[':'], 2);
        return parts.Length == 2 ? parts[1] : null;
    }
}
