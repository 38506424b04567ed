using System.Net;
using System.Net.Security;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Configuration;
using Orleans.Connections.Security;
using Orleans.Hosting;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Security;

namespace Peft.Orleans.Operations.Tests.Security;

/// <summary>A client of a test's own, which need not keep to what the product's sends.</summary>
internal sealed class CertifiedClient : IAsyncDisposable
{
    private readonly IHost host;

    private CertifiedClient(IHost host) => this.host = host;

    internal IGrainFactory Grains => host.Services.GetRequiredService<IGrainFactory>();

    internal static PeerCheck Peers(CertificateFolder files) => new(new TlsCredentials(
        new TlsFiles(files.Certificate, files.Key, files.Authorities, TlsFiles.DefaultSiloName), TimeProvider.System));

    internal static async Task<CertifiedClient> Connect(string gateway, CertificateFolder files, IOutgoingGrainCallFilter? filter = null)
    {
        var peers = Peers(files);
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.UseOrleansClient(client =>
        {
            client.UseStaticClustering(IPEndPoint.Parse(gateway));
            client.Configure<ClusterOptions>(static options =>
            {
                options.ClusterId = ClusterIdentity.ClusterId;
                options.ServiceId = ClusterIdentity.ServiceId;
            });
            client.Configure<ClientConnectionOptions>(options => options.ConfigureConnection(connection => connection.UseClientTls(
                new TlsOptions
                {
                    LocalCertificate = peers.Credentials.Current.Certificate,
                    RemoteCertificateValidation = (certificate, chain, _) => peers.IsSiloServing(certificate, chain),
                    OnAuthenticateAsClient = (_, tls) =>
                        peers.PrepareCall((SslClientAuthenticationOptions)tls.SslClientAuthenticationOptions),
                })));
            client.Services.AddSingleton(filter ?? new CallProof(peers.Credentials, null, TimeProvider.System));
        });
        var host = builder.Build();
        await host.StartAsync(TestContext.Current.CancellationToken);
        return new CertifiedClient(host);
    }

    public async ValueTask DisposeAsync()
    {
        await host.StopAsync();
        host.Dispose();
    }
}
