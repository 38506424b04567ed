using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Orleans.Configuration;
using Orleans.Connections.Security;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Security;

namespace Peft.Orleans.Silo.Security;

/// <summary>What a silo's settings say of certificates and tokens, read before anything is started.</summary>
internal sealed class SiloSecurity
{
    private SiloSecurity(PeerCheck? peers, TokenFile? tokens)
    {
        Peers = peers;
        Tokens = tokens;
    }

    /// <summary>Whom it speaks with; null: it speaks plainly with whoever comes.</summary>
    internal PeerCheck? Peers { get; }

    /// <summary>Tokens that give a role; null: none do.</summary>
    internal TokenFile? Tokens { get; }

    /// <summary>Reads certificates and tokens.</summary>
    /// <exception cref="PeftException">A file cannot be used; or the silo would speak plainly beyond loopback, unasked.</exception>
    internal static SiloSecurity Of(SiloSettings settings)
    {
        var files = TlsFiles.Of(
            (settings.TlsCertificate, "--tls-certificate"),
            (settings.TlsKey, "--tls-key"),
            (settings.TlsAuthorities, "--tls-ca"),
            settings.TlsName);
        if (files is null && !settings.Insecure)
        {
            foreach (var (option, address) in ((string, string)[])[("--host", settings.Host), ("--http-host", settings.HttpHost)])
            {
                if (IPAddress.IsLoopback(IPAddress.Parse(address))) continue;
                throw new PeftException(
                    $"{option} {address}: beyond this machine's loopback a silo needs --tls-certificate, --tls-key and --tls-ca; "
                    + "--insecure does without, and lets whoever reaches its ports command the cluster");
            }
        }

        var tokens = settings.TokenFile is { } path ? new TokenFile(Path.GetFullPath(path), TimeProvider.System) : null;
        if (files is null) return new SiloSecurity(null, tokens);
        var peers = new PeerCheck(new TlsCredentials(files, TimeProvider.System));
        peers.RequireSilo();
        return new SiloSecurity(peers, tokens);
    }

    /// <summary>Says in the log what happens to certificates and tokens, and who was refused.</summary>
    internal void TellTo(ILogger log)
    {
        void Say(string news) => log.LogWarning("{News}", news);
        if (Tokens is not null) Tokens.Changed += Say;
        if (Peers is null) return;
        Peers.Credentials.Changed += Say;
        Peers.Refused += reason => log.LogWarning("a connection was refused: {Reason}", reason);
    }

    /// <summary>Has silos and clients prove who they are, on every connection and with every call.</summary>
    internal void Configure(ISiloBuilder silo)
    {
        if (Peers is not { } peers) return;
        silo.Configure<SiloConnectionOptions>(options =>
        {
            options.ConfigureSiloOutboundConnection(connection => connection.UseClientTls(Calling(peers)));
            options.ConfigureSiloInboundConnection(connection => connection.UseServerTls(Serving(peers, peers.IsSiloCalling)));
            options.ConfigureGatewayInboundConnection(connection => connection.UseServerTls(Serving(peers, peers.IsKnown)));
        });
        silo.AddOutgoingGrainCallFilter(new CallProof(peers.Credentials, null, TimeProvider.System));
        silo.Services.AddSingleton(new Callers(peers.Credentials, Tokens, TimeProvider.System));
        silo.AddIncomingGrainCallFilter<CallGuard>();
    }

    private static TlsOptions Calling(PeerCheck peers) => new()
    {
        LocalCertificate = peers.Credentials.Current.Certificate,
        SslProtocols = PeerCheck.Version,
        HandshakeTimeout = ClusterTimes.Current.Handshake,
        RemoteCertificateValidation = (certificate, chain, _) => peers.IsSiloServing(certificate, chain),
        OnAuthenticateAsClient = (_, options) => peers.PrepareCall((SslClientAuthenticationOptions)options.SslClientAuthenticationOptions),
    };

    private static TlsOptions Serving(PeerCheck peers, Func<X509Certificate2?, X509Chain?, bool> accepts) => new()
    {
        LocalCertificate = peers.Credentials.Current.Certificate,
        SslProtocols = PeerCheck.Version,
        HandshakeTimeout = ClusterTimes.Current.Handshake,
        RemoteCertificateMode = RemoteCertificateMode.RequireCertificate,
        RemoteCertificateValidation = (certificate, chain, _) => accepts(certificate, chain),
        OnAuthenticateAsServer = (_, options) =>
            peers.PrepareAnswer((SslServerAuthenticationOptions)options.SslServerAuthenticationOptions),
    };
}
