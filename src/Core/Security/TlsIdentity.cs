using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Peft.Orleans.Core.Security;

/// <summary>A process's certificate with its key, and the authorities it trusts, as its files had them at one moment.</summary>
public sealed class TlsIdentity
{
    private TlsIdentity(X509Certificate2 certificate, X509Certificate2Collection between, X509Certificate2Collection authorities)
    {
        Certificate = certificate;
        Between = between;
        Authorities = authorities;
        Context = SslStreamCertificateContext.Create(certificate, between, offline: true);
    }

    /// <summary>The certificate, with its key.</summary>
    public X509Certificate2 Certificate { get; }

    /// <summary>Certificates between it and an authority.</summary>
    public X509Certificate2Collection Between { get; }

    /// <summary>The authorities that are trusted.</summary>
    public X509Certificate2Collection Authorities { get; }

    /// <summary>What is presented to others.</summary>
    public SslStreamCertificateContext Context { get; }

    /// <summary>Reads the content of the files.</summary>
    /// <exception cref="PeftException">Names the file that cannot be used, and what it should have.</exception>
    internal static TlsIdentity Read(TlsFiles files, TlsTexts texts)
    {
        var authorities = Certificates(files.Authorities, texts.Authorities);
        var chain = Certificates(files.Certificate, texts.Certificate);
        X509Certificate2 certificate;
        try
        {
            certificate = X509Certificate2.CreateFromPem(texts.Certificate, texts.Key);
        }
        catch (Exception error) when (error is CryptographicException or ArgumentException)
        {
            throw new PeftException(
                $"{files.Key}: no PEM key of the first certificate in {files.Certificate}, without a passphrase ({error.Message})", error);
        }

        chain[0].Dispose();
        chain.RemoveAt(0);
        return new TlsIdentity(certificate, chain, authorities);
    }

    private static X509Certificate2Collection Certificates(string path, string text)
    {
        var found = new X509Certificate2Collection();
        try
        {
            found.ImportFromPem(text);
        }
        catch (CryptographicException error)
        {
            throw new PeftException($"{path}: a certificate in it cannot be read ({error.Message})", error);
        }

        return found.Count > 0 ? found : throw new PeftException($"{path}: no certificate in PEM form (-----BEGIN CERTIFICATE-----)");
    }
}
