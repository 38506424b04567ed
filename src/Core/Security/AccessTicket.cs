using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Peft.Orleans.Core.Security;

/// <summary>
/// Proves with every call who makes it: a certificate, a time and a signature over both by the certificate's key. Whoever has not the key
/// cannot make one; it is made for the silos of one name, travels only to silos that have proved to be such, and is good for minutes.
/// </summary>
/// <remarks>Bytes: version, issued (Unix seconds), then certificates and signature, each after its length; in base 64.</remarks>
internal static class AccessTicket
{
    /// <summary>Longest text that is looked at.</summary>
    internal const int LongestText = 32 << 10;

    /// <summary>How far a ticket's time may be from ours.</summary>
    internal static readonly TimeSpan Life = TimeSpan.FromMinutes(10);

    private const byte Version = 1;
    private const int MostCertificates = 8;

    /// <summary>Makes a ticket.</summary>
    internal static string Issue(TlsIdentity identity, string siloName, DateTimeOffset now)
    {
        using var bytes = new MemoryStream();
        bytes.WriteByte(Version);
        Span<byte> number = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(number, now.ToUnixTimeSeconds());
        bytes.Write(number);
        X509Certificate2[] certificates = [identity.Certificate, .. identity.Between];
        bytes.WriteByte((byte)certificates.Length);
        foreach (var certificate in certificates) WritePart(bytes, certificate.RawData);
        var signature = Sign(identity.Certificate, Signed(siloName, bytes.GetBuffer().AsSpan(0, (int)bytes.Length)));
        WritePart(bytes, signature);
        return Convert.ToBase64String(bytes.GetBuffer(), 0, (int)bytes.Length);
    }

    /// <summary>Who a ticket proves to be calling.</summary>
    /// <param name="text">The ticket, as it came.</param>
    /// <param name="own">Whom this silo trusts.</param>
    /// <param name="siloName">DNS name of silos.</param>
    /// <param name="now">Time of day.</param>
    /// <param name="role">The role that the certificate gives.</param>
    /// <param name="until">How long that holds.</param>
    /// <returns>Why it proves nothing; null: it does.</returns>
    internal static string? Verify(
        string text, TlsIdentity own, string siloName, DateTimeOffset now, out Role role, out DateTimeOffset until)
    {
        role = Role.None;
        until = now;
        if (text.Length > LongestText) return "a proof that is too long";
        var bytes = new byte[text.Length];
        if (!Convert.TryFromBase64String(text, bytes, out var length)) return "a proof that is no base 64";
        try
        {
            var reader = new Reader(bytes.AsSpan(0, length));
            if (reader.Byte() != Version) return "a proof of another version";
            var issued = DateTimeOffset.FromUnixTimeSeconds(Math.Clamp(reader.Long(), 0, DateTimeOffset.MaxValue.ToUnixTimeSeconds()));
            var sent = new X509Certificate2Collection();
            var count = reader.Byte();
            if (count is 0 or > MostCertificates) return "a proof with no certificate, or too many";
            for (var i = 0; i < count; i++) sent.Add(X509CertificateLoader.LoadCertificate(reader.Part()));
            var signed = Signed(siloName, reader.Before);
            var signature = reader.Part();
            if (!reader.AtEnd) return "a proof with more than it should have";
            if ((now - issued).Duration() > Life) return $"a proof of {issued:u}, and here it is {now:u}: a clock is wrong";
            if (CertificateCheck.OfCaller(sent[0], sent, own) is { } reason) return reason;
            if (!Verify(sent[0], signed, signature)) return "a proof that was not signed by its certificate's key";
            role = CertificateRole.Of(sent[0], siloName);
            until = issued + Life;
            if (sent[0].NotAfter.ToUniversalTime() < until) until = sent[0].NotAfter.ToUniversalTime();
            return null;
        }
        catch (Exception error) when (error is CryptographicException or InvalidDataException)
        {
            return "a proof that cannot be read";
        }
    }

    // What the signature is for stands before it, so that no signature made for anything else is one.
    private static byte[] Signed(string siloName, ReadOnlySpan<byte> content) =>
        [.. Encoding.UTF8.GetBytes($"Peft.Orleans access to {siloName}\0"), .. content];

    private static byte[] Sign(X509Certificate2 certificate, byte[] content)
    {
        using var curve = certificate.GetECDsaPrivateKey();
        if (curve is not null) return curve.SignData(content, HashAlgorithmName.SHA256);
        using var rsa = certificate.GetRSAPrivateKey()
            ?? throw new PeftException($"{certificate.Subject}: a key that is neither ECDSA nor RSA; use one of these");
        return rsa.SignData(content, HashAlgorithmName.SHA256, RSASignaturePadding.Pss);
    }

    private static bool Verify(X509Certificate2 certificate, byte[] content, ReadOnlySpan<byte> signature)
    {
        using var curve = certificate.GetECDsaPublicKey();
        if (curve is not null) return curve.VerifyData(content, signature, HashAlgorithmName.SHA256);
        using var rsa = certificate.GetRSAPublicKey();
        return rsa is not null && rsa.VerifyData(content, signature, HashAlgorithmName.SHA256, RSASignaturePadding.Pss);
    }

    private static void WritePart(MemoryStream bytes, byte[] part)
    {
        Span<byte> length = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(length, part.Length);
        bytes.Write(length);
        bytes.Write(part);
    }

    private ref struct Reader(ReadOnlySpan<byte> bytes)
    {
        private readonly ReadOnlySpan<byte> all = bytes;
        private int position;

        internal readonly bool AtEnd => position == all.Length;

        internal readonly ReadOnlySpan<byte> Before => all[..position];

        internal byte Byte() => Take(1)[0];

        internal long Long() => BinaryPrimitives.ReadInt64LittleEndian(Take(sizeof(long)));

        internal ReadOnlySpan<byte> Part() => Take(BinaryPrimitives.ReadInt32LittleEndian(Take(sizeof(int))));

        private ReadOnlySpan<byte> Take(int count)
        {
            if (count < 0 || count > all.Length - position) throw new InvalidDataException("a length beyond the end");
            position += count;
            return all.Slice(position - count, count);
        }
    }
}
