using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Peft.Orleans.Tests;

/// <summary>An authority of a test's own, and certificates it gives.</summary>
internal sealed class TestAuthority : IDisposable
{
    private const string ServerUse = "1.3.6.1.5.5.7.3.1";
    private const string ClientUse = "1.3.6.1.5.5.7.3.2";

    private readonly X509Certificate2 certificate;

    internal TestAuthority(string name = "test authority")
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        var now = DateTimeOffset.UtcNow;
        certificate = request.CreateSelfSigned(now.AddDays(-30), now.AddDays(30));
    }

    /// <summary>Its certificate, in PEM form.</summary>
    internal string Pem => certificate.ExportCertificatePem() + "\n";

    /// <summary>A certificate and its key, in PEM form.</summary>
    /// <param name="subject">Subject.</param>
    /// <param name="names">DNS names.</param>
    /// <param name="expired">Whether its time is over.</param>
    /// <param name="server">Whether it is for servers.</param>
    /// <param name="client">Whether it is for clients.</param>
    /// <param name="rsa">Whether its key is RSA, not ECDSA.</param>
    internal (string Certificate, string Key) Give(
        string subject, string[]? names = null, bool expired = false, bool server = true, bool client = true, bool rsa = false)
    {
        using var curve = rsa ? null : ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var rsaKey = rsa ? RSA.Create(2048) : null;
        var request = curve is not null
            ? new CertificateRequest(subject, curve, HashAlgorithmName.SHA256)
            : new CertificateRequest(subject, rsaKey!, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        var uses = new OidCollection();
        if (server) uses.Add(new Oid(ServerUse));
        if (client) uses.Add(new Oid(ClientUse));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension(uses, false));
        if (names is not null)
        {
            var alternatives = new SubjectAlternativeNameBuilder();
            foreach (var name in names) alternatives.AddDnsName(name);
            alternatives.AddIpAddress(IPAddress.Loopback);
            request.CertificateExtensions.Add(alternatives.Build());
        }

        var now = DateTimeOffset.UtcNow;
        using var given = request.Create(
            certificate, now.AddDays(-2), expired ? now.AddDays(-1) : now.AddDays(1), RandomNumberGenerator.GetBytes(12));
        return (given.ExportCertificatePem() + "\n", (curve?.ExportPkcs8PrivateKeyPem() ?? rsaKey!.ExportPkcs8PrivateKeyPem()) + "\n");
    }

    /// <summary>A silo's certificate.</summary>
    internal (string Certificate, string Key) Silo(string name = "peft-silo", bool expired = false) =>
        Give("CN=silo", [name], expired);

    /// <summary>A client's certificate with an organizational unit.</summary>
    internal (string Certificate, string Key) Client(string? unit, bool expired = false) =>
        Give(unit is null ? "CN=someone" : $"CN=someone, OU={unit}", expired: expired, server: false);

    public void Dispose() => certificate.Dispose();
}
