using System.CommandLine;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Security;

namespace Peft.Orleans.Client.Security;

/// <summary>Options of every command that speaks with a running cluster, each with its environment variable.</summary>
internal sealed class ClientSecurityOptions
{
    /// <summary>Option of the certificate.</summary>
    public const string CertificateName = "--tls-certificate";

    /// <summary>Option of its key.</summary>
    public const string KeyName = "--tls-key";

    /// <summary>Option of the authorities.</summary>
    public const string AuthoritiesName = "--tls-ca";

    /// <summary>Option of plain connections to other machines.</summary>
    public const string InsecureName = "--insecure";

    private readonly Option<string?> certificate = File(
        CertificateName, "PEM file: this client's certificate, then those between it and the authorities");

    private readonly Option<string?> key = File(KeyName, "PEM file: the certificate's key, without a passphrase");
    private readonly Option<string?> authorities = File(AuthoritiesName, "PEM file: the authorities whose silos are trusted");
    private readonly Option<string?> siloName = new("--tls-name")
    {
        HelpName = "NAME",
        Recursive = true,
        Description = $"DNS name in every silo's certificate (default: {TlsFiles.DefaultSiloName}; {Variable("--tls-name")}).",
    };

    private readonly Option<string?> token = File("--token-file", "file with a token that gives this client its role");
    private readonly Option<bool> insecure = new(InsecureName)
    {
        Recursive = true,
        Description = $"Speak plainly with another machine ({Variable(InsecureName)}=true).",
    };

    /// <summary>Adds them to the root, and so to all commands.</summary>
    public void AddTo(RootCommand root)
    {
        foreach (var option in (Option[])[certificate, key, authorities, siloName, token, insecure]) root.Add(option);
    }

    /// <summary>What was given.</summary>
    /// <exception cref="PeftException">A file cannot be used.</exception>
    public ClientSecurity Read(ParseResult parsed)
    {
        string? Given(Option<string?> option) => parsed.GetValue(option) ?? FromEnvironment(option.Name);
        var files = TlsFiles.Of(
            (Given(certificate), CertificateName),
            (Given(key), KeyName),
            (Given(authorities), AuthoritiesName),
            Given(siloName) ?? TlsFiles.DefaultSiloName);
        var plain = parsed.GetValue(insecure) || (FromEnvironment(InsecureName) is { } text && bool.TryParse(text, out var on) && on);
        return ClientSecurity.Of(files, Given(token), plain);
    }

    private static Option<string?> File(string name, string meaning) => new(name)
    {
        HelpName = "FILE",
        Recursive = true,
        Description = $"With a running cluster: {meaning} ({Variable(name)}).",
    };

    private static string Variable(string option) => "PEFT_" + option[2..].Replace('-', '_').ToUpperInvariant();

    private static string? FromEnvironment(string option) =>
        Environment.GetEnvironmentVariable(Variable(option)) is { Length: > 0 } text ? text : null;
}
