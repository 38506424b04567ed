using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Peft.Orleans.Core.Cluster;

namespace Peft.Orleans.Silo.Security;

/// <summary>
/// Who is answered over HTTP. With certificates or tokens: the probes anyone, all else whoever has a role. Without, which is on loopback
/// unless asked for by name: anyone.
/// </summary>
internal sealed class HttpAccess(SiloSecurity security, SiloSettings settings)
{
    private const long LargestBody = 16 << 10;
    private const int MostConnections = 512;

    /// <summary>Whether a role is asked for.</summary>
    internal bool IsClosed => security.Peers is not null || security.Tokens is not null;

    /// <summary>Listens, with the silo's certificate where it has one, and bounds what a request may take.</summary>
    internal void Configure(IWebHostBuilder host)
    {
        host.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(options =>
        {
            options.AddServerHeader = false;
            options.Limits.MaxRequestBodySize = LargestBody;
            options.Limits.MaxConcurrentConnections = MostConnections;
            options.Listen(IPAddress.Parse(settings.HttpHost), settings.HttpPort, Secure);
        });
    }

    /// <summary>Registers what looks at certificates and tokens.</summary>
    internal void Configure(IServiceCollection services)
    {
        services.AddSingleton(security);
        services.AddAuthentication(RoleAuthentication.Scheme)
            .AddScheme<AuthenticationSchemeOptions, RoleAuthentication>(RoleAuthentication.Scheme, null);
        services.AddAuthorization();
    }

    /// <summary>Asks for a role, where one is asked for.</summary>
    internal void Close(IEndpointConventionBuilder endpoints)
    {
        if (IsClosed) endpoints.RequireAuthorization();
    }

    /// <summary>
    /// A page of another site that has its own name lead to this machine is not answered: where no role is asked for, only loopback's names
    /// are.
    /// </summary>
    internal void RefuseForeignNames(WebApplication app)
    {
        if (IsClosed || settings.Insecure) return;
        app.Use(static (context, next) =>
        {
            var host = context.Request.Host.Host.Trim('[', ']');
            if (host == "localhost" || IPAddress.TryParse(host, out _)) return next(context);
            context.Response.StatusCode = StatusCodes.Status421MisdirectedRequest;
            return Task.CompletedTask;
        });
    }

    private void Secure(ListenOptions listen)
    {
        if (security.Peers is not { } peers) return;
        listen.UseHttps(new TlsHandshakeCallbackOptions
        {
            HandshakeTimeout = ClusterTimes.Current.Handshake,
            OnConnection = _ => ValueTask.FromResult(new SslServerAuthenticationOptions
            {
                ServerCertificateContext = peers.Credentials.Current.Context,
                // Asked for, not required: probes have none, and browsers and scrapers may have a token.
                ClientCertificateRequired = true,
                EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
                AllowTlsResume = false,
                RemoteCertificateValidationCallback = (_, certificate, chain, _) =>
                    certificate is null || peers.IsKnown(certificate as X509Certificate2, chain),
            }),
        });
    }
}
