using System.Net;
using System.Net.Security;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Configuration;
using Orleans.Connections.Security;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Security;

namespace Peft.Orleans.Client.Security;

/// <summary>How this client shows a running cluster who it is. Silos that a client starts for itself speak plainly over loopback.</summary>
internal sealed class ClientSecurity
{
    private const int LongestToken = 1024;

    private readonly PeerCheck? peers;
    private readonly string? token;
    private readonly bool insecure;
    private string? refusal;

    private ClientSecurity(PeerCheck? peers, string? token, bool insecure)
    {
        this.peers = peers;
        this.token = token;
        this.insecure = insecure;
        if (peers is not null) peers.Refused += reason => refusal = reason;
    }

    /// <summary>What this process was told, on its command line or by its environment.</summary>
    public static ClientSecurity Current { get; set; } = new(null, null, false);

    /// <summary>Reads certificate and token.</summary>
    /// <exception cref="PeftException">A file cannot be used, or the certificate would be refused by every silo.</exception>
    public static ClientSecurity Of(TlsFiles? files, string? tokenFile, bool insecure)
    {
        var token = tokenFile is { } path ? Token(path) : null;
        if (files is null) return new ClientSecurity(null, token, insecure);
        var peers = new PeerCheck(new TlsCredentials(files, TimeProvider.System));
        peers.RequireCaller();
        return new ClientSecurity(peers, token, insecure);
    }

    /// <summary>Refuses to speak plainly with another machine, unasked.</summary>
    /// <exception cref="ClientException">Says what to give.</exception>
    public void Allow(IEnumerable<IPEndPoint> gateways)
    {
        if (peers is not null || insecure) return;
        if (gateways.FirstOrDefault(static gateway => !IPAddress.IsLoopback(gateway.Address)) is not { } far) return;
        throw new ClientException(ExitCodes.Refused,
            $"--cluster {far}: another machine is spoken with under {ClientSecurityOptions.CertificateName}, "
            + $"{ClientSecurityOptions.KeyName} and {ClientSecurityOptions.AuthoritiesName}; {ClientSecurityOptions.InsecureName} does "
            + "without, and lets whoever is on the way read and command");
    }

    /// <summary>Why the last silo was not accepted, as the end of a sentence; empty: none was refused.</summary>
    public string Refusal => refusal is { } reason ? $" (the silo was not accepted: {reason})" : "";

    /// <summary>Has the client prove who it is, on every connection and with every call.</summary>
    public void Configure(IClientBuilder client)
    {
        if (peers is null) return;
        var options = new TlsOptions
        {
            LocalCertificate = peers.Credentials.Current.Certificate,
            SslProtocols = PeerCheck.Version,
            HandshakeTimeout = ClusterTimes.Current.Handshake,
            RemoteCertificateValidation = (certificate, chain, _) => peers.IsSiloServing(certificate, chain),
            OnAuthenticateAsClient = (_, tls) => peers.PrepareCall((SslClientAuthenticationOptions)tls.SslClientAuthenticationOptions),
        };
        client.Configure<ClientConnectionOptions>(connections =>
            connections.ConfigureConnection(connection => connection.UseClientTls(options)));
        client.Services.AddSingleton<IOutgoingGrainCallFilter>(new CallProof(peers.Credentials, token, TimeProvider.System));
    }

    private static string Token(string path)
    {
        try
        {
            using var file = File.OpenText(path);
            var text = new char[LongestToken + 1];
            var read = file.ReadBlock(text);
            var token = new string(text, 0, read).Trim();
            return token.Length > 0 && read <= LongestToken
                ? token
                : throw new PeftException($"{path}: expected a token of at most {LongestToken} characters, and nothing else");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new PeftException($"{path} cannot be read ({error.Message}); it must have a token and nothing else", error);
        }
    }
}
