using System.Security.Cryptography.X509Certificates;

namespace Peft.Orleans.Core.Security;

/// <summary>Why a certificate is not accepted.</summary>
internal static class CertificateCheck
{
    private const string ServerUse = "1.3.6.1.5.5.7.3.1";
    private const string ClientUse = "1.3.6.1.5.5.7.3.2";

    /// <summary>The reason not to accept a server's certificate as a silo's; null: none.</summary>
    internal static string? OfSiloServing(
        X509Certificate2? certificate, X509Certificate2Collection? sent, TlsIdentity own, string siloName) =>
        Chain(certificate, sent, own, ServerUse) ?? Name(certificate!, siloName);

    /// <summary>The reason not to accept a caller's certificate as a silo's; null: none.</summary>
    internal static string? OfSiloCalling(
        X509Certificate2? certificate, X509Certificate2Collection? sent, TlsIdentity own, string siloName) =>
        Chain(certificate, sent, own, ClientUse) ?? Name(certificate!, siloName);

    /// <summary>The reason not to accept a caller's certificate, whoever it is; null: none.</summary>
    internal static string? OfCaller(X509Certificate2? certificate, X509Certificate2Collection? sent, TlsIdentity own) =>
        Chain(certificate, sent, own, ClientUse);

    private static string? Chain(X509Certificate2? certificate, X509Certificate2Collection? sent, TlsIdentity own, string use)
    {
        if (certificate is null) return "no certificate was presented";
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(own.Authorities);
        if (sent is not null) chain.ChainPolicy.ExtraStore.AddRange(sent);
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.ApplicationPolicy.Add(new System.Security.Cryptography.Oid(use));
        if (chain.Build(certificate)) return null;
        var status = chain.ChainStatus.Aggregate(X509ChainStatusFlags.NoError, static (all, one) => all | one.Status);
        var subject = certificate.Subject;
        if (status.HasFlag(X509ChainStatusFlags.NotTimeValid))
        {
            return $"{subject} is valid from {certificate.NotBefore.ToUniversalTime():u} to "
                + $"{certificate.NotAfter.ToUniversalTime():u}, not now";
        }

        if (status.HasFlag(X509ChainStatusFlags.NotValidForUsage))
        {
            return $"{subject} is not meant for {(use == ServerUse ? "servers (serverAuth)" : "clients (clientAuth)")}";
        }

        return status.HasFlag(X509ChainStatusFlags.UntrustedRoot) || status.HasFlag(X509ChainStatusFlags.PartialChain)
            ? $"{subject} is issued by {certificate.Issuer}, which leads to no authority that is trusted"
            : $"{subject}: {string.Join("; ", chain.ChainStatus.Select(static one => one.StatusInformation.Trim()))}";
    }

    private static string? Name(X509Certificate2 certificate, string siloName) =>
        certificate.MatchesHostname(siloName, allowWildcards: true, allowCommonName: false)
            ? null
            : $"{certificate.Subject} is no silo's: it has not the DNS name {siloName}";
}
