namespace Peft.Orleans.Core.Security;

/// <summary>Where a process has its certificate from.</summary>
/// <param name="Certificate">PEM file: its certificate, then those between it and an authority.</param>
/// <param name="Key">PEM file: the certificate's key.</param>
/// <param name="Authorities">PEM file: the authorities it trusts.</param>
/// <param name="SiloName">DNS name that makes a certificate a silo's.</param>
public sealed record TlsFiles(string Certificate, string Key, string Authorities, string SiloName)
{
    /// <summary>DNS name of silos unless another is given.</summary>
    public const string DefaultSiloName = "peft-silo";

    /// <summary>The files that were given; null: none of them.</summary>
    /// <param name="certificate">File of the certificate as it was given, and the option's name.</param>
    /// <param name="key">File of the key, likewise.</param>
    /// <param name="authorities">File of the authorities, likewise.</param>
    /// <param name="siloName">DNS name of silos.</param>
    /// <exception cref="PeftException">Only some were given.</exception>
    public static TlsFiles? Of(
        (string? Path, string Option) certificate,
        (string? Path, string Option) key,
        (string? Path, string Option) authorities,
        string siloName)
    {
        (string? Path, string Option)[] given = [certificate, key, authorities];
        if (Array.TrueForAll(given, static one => string.IsNullOrEmpty(one.Path))) return null;
        if (Array.Find(given, static one => string.IsNullOrEmpty(one.Path)).Option is { } missing)
            throw new PeftException($"{missing} is missing: certificate, key and authorities belong together; give all three or none");
        return new TlsFiles(
            Path.GetFullPath(certificate.Path!), Path.GetFullPath(key.Path!), Path.GetFullPath(authorities.Path!), siloName);
    }
}
