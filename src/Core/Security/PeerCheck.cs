using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace Peft.Orleans.Core.Security;

/// <summary>
/// Whom a process speaks with. A silo is whoever has a certificate of the authorities with the silos' DNS name; addresses say nothing, for
/// pods change theirs. Both sides present a certificate on every connection; revocation is the authorities' business, by short lives.
/// </summary>
/// <param name="credentials">What is presented and trusted.</param>
public sealed class PeerCheck(TlsCredentials credentials)
{
    /// <summary>The only version spoken between silos, and with clients.</summary>
    public const SslProtocols Version = SslProtocols.Tls13;

    /// <summary>A certificate was not accepted: the reason.</summary>
    public event Action<string>? Refused;

    /// <summary>What is presented and trusted.</summary>
    public TlsCredentials Credentials => credentials;

    /// <summary>Whether the one that was called is a silo.</summary>
    public bool IsSiloServing(X509Certificate2? certificate, X509Chain? chain) =>
        Accepted(CertificateCheck.OfSiloServing(certificate, Sent(chain), credentials.Current, credentials.Files.SiloName));

    /// <summary>Whether the caller is a silo.</summary>
    public bool IsSiloCalling(X509Certificate2? certificate, X509Chain? chain) =>
        Accepted(CertificateCheck.OfSiloCalling(certificate, Sent(chain), credentials.Current, credentials.Files.SiloName));

    /// <summary>Whether the caller is known at all; what it may do its certificate's subject or a token tells.</summary>
    public bool IsKnown(X509Certificate2? certificate, X509Chain? chain) =>
        Accepted(CertificateCheck.OfCaller(certificate, Sent(chain), credentials.Current));

    /// <summary>Refuses a client's own certificate where silos would.</summary>
    /// <exception cref="PeftException">Says what is wrong with it.</exception>
    public void RequireCaller()
    {
        var own = credentials.Current;
        if (CertificateCheck.OfCaller(own.Certificate, own.Between, own) is { } reason)
            throw new PeftException($"{credentials.Files.Certificate}: no silo would accept this certificate: {reason}");
    }

    /// <summary>Refuses a silo's own certificate where others would.</summary>
    /// <exception cref="PeftException">Says what is wrong with it.</exception>
    public void RequireSilo()
    {
        var own = credentials.Current;
        var files = credentials.Files;
        var reason = CertificateCheck.OfSiloServing(own.Certificate, own.Between, own, files.SiloName)
            ?? CertificateCheck.OfSiloCalling(own.Certificate, own.Between, own, files.SiloName);
        if (reason is not null) throw new PeftException($"{files.Certificate}: no silo would accept this certificate: {reason}");
    }

    /// <summary>Presents the certificate in force to a silo that is called.</summary>
    public void PrepareCall(SslClientAuthenticationOptions options)
    {
        options.TargetHost = credentials.Files.SiloName;
        options.ClientCertificates = null;
        options.LocalCertificateSelectionCallback = null;
        options.ClientCertificateContext = credentials.Current.Context;
        options.EnabledSslProtocols = Version;
        // A resumed session would go on with what was presented before a rotation.
        options.AllowTlsResume = false;
    }

    /// <summary>Presents the certificate in force to whoever calls, and asks for theirs.</summary>
    public void PrepareAnswer(SslServerAuthenticationOptions options)
    {
        options.ServerCertificate = null;
        options.ServerCertificateSelectionCallback = null;
        options.ServerCertificateContext = credentials.Current.Context;
        options.ClientCertificateRequired = true;
        options.EnabledSslProtocols = Version;
        options.AllowTlsResume = false;
    }

    private static X509Certificate2Collection? Sent(X509Chain? chain) => chain?.ChainPolicy.ExtraStore;

    private bool Accepted(string? reason)
    {
        if (reason is not null) Refused?.Invoke(reason);
        return reason is null;
    }
}
