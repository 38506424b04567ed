using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using CsCheck;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Security;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Fuzz;

/// <summary>Proofs that come with grain calls. None but the one that was issued gives a role.</summary>
internal sealed class ProofsTarget : FuzzTarget
{
    private const string Name = "peft-silo";

    private readonly TlsIdentity identity;
    private readonly byte[] proof;

    internal ProofsTarget()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=me, OU=peft-operator", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var own = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(30));
        var certificate = own.ExportCertificatePem();
        identity = TlsIdentity.Read(
            new TlsFiles("c", "k", "a", Name), new TlsTexts(certificate, key.ExportPkcs8PrivateKeyPem(), certificate));
        proof = Convert.FromBase64String(AccessTicket.Issue(identity, Name, DateTimeOffset.UnixEpoch));
    }

    internal override Gen<byte[]> Inputs => Damage.OfBytes(proof);

    internal override bool Read(byte[] input)
    {
        foreach (var text in (string[])[Convert.ToBase64String(input), Encoding.Latin1.GetString(input)])
        {
            var reason = AccessTicket.Verify(text, identity, Name, DateTimeOffset.UnixEpoch, out var role, out _);
            if (reason is null != input.AsSpan().SequenceEqual(proof))
                throw new InvalidOperationException($"a proof that is none was taken for one of {role}");
            if (reason is null) return true;
        }

        return false;
    }
}
