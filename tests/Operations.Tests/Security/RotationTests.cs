using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Security;

/// <summary>Certificates that change while silos run, and what stays closed to those without.</summary>
[Collection(nameof(TlsCluster))]
public sealed class RotationTests(TlsCluster cluster)
{
    [Fact]
    public async Task A_silo_goes_over_to_another_certificate_and_authority_without_a_restart()
    {
        var folder = cluster.Workspace.Folder;
        var files = new CertificateFolder(Path.Combine(folder, "rotating"), cluster.Authority.Silo(), cluster.Authority.Pem);
        var (silo, gateway, log) = await cluster.StartAlone(files);
        var port = int.Parse(gateway.Split(':')[1], System.Globalization.CultureInfo.InvariantCulture);
        using var next = new TestAuthority("next authority");
        var both = cluster.Authority.Pem + next.Pem;
        var newcomer = new CertificateFolder(Path.Combine(folder, "newcomer"), next.Client("peft-operator"), both);
        Assert.True(await Refuses(port, newcomer));
        var before = await Presented(port, newcomer);
        files.Change(next.Silo(), both);
        await Until(async () => await Presented(port, newcomer) is { } now && now != before);
        await Looks(gateway, newcomer);
        // Half a change is none: what was in force stays so, and it is said once.
        files.Change((next.Silo().Certificate, "no key"), both);
        await Until(async () =>
        {
            Assert.NotNull(await Presented(port, newcomer));
            return (await File.ReadAllTextAsync(log)).Contains("the former certificate stays in force", StringComparison.Ordinal);
        });
        await Looks(gateway, newcomer);
        // And without the former authority its clients are strangers.
        files.Change(next.Silo(), next.Pem);
        var former = new CertificateFolder(Path.Combine(folder, "former"), cluster.Authority.Client("peft-operator"), both);
        await Until(() => Refused(port, former));
        Assert.False(silo.HasEnded);
    }

    [Fact]
    public async Task Neither_silos_nor_tensors_are_spoken_of_with_a_client()
    {
        Assert.True(await Refuses(cluster.Registration(0).GetProperty("siloPort").GetInt32(), cluster.Client("peft-operator")));
        Assert.True(await Refuses(cluster.DataPort, cluster.Client("peft-operator")));
    }

    [Fact]
    public async Task Who_speaks_plainly_is_hung_up_on()
    {
        foreach (var port in (int[])[cluster.Registration(0).GetProperty("siloPort").GetInt32(), cluster.DataPort])
        {
            using var socket = new TcpClient("127.0.0.1", port);
            await socket.GetStream().WriteAsync(new byte[512], Patience.Token);
            try
            {
                // At most an alert of TLS.
                var answer = new byte[256];
                Assert.InRange(await socket.GetStream().ReadAtLeastAsync(answer, answer.Length, false, Patience.Token), 0, 7);
            }
            catch (IOException)
            {
                // Reset.
            }
        }
    }

    private static async Task Looks(string gateway, CertificateFolder files)
    {
        await using var client = await CertifiedClient.Connect(gateway, files);
        Assert.Single(await client.Grains.GetGrain<IClusterGrain>(0).Silos());
    }

    private static async Task Until(Func<Task<bool>> condition)
    {
        while (!await condition()) await Task.Delay(TimeSpan.FromMilliseconds(200), Patience.Token);
    }

    /// <summary>Whether a port hangs up on a certificate: TLS 1.3 tells it with the first answer.</summary>
    private static async Task<bool> Refuses(int port, CertificateFolder files)
    {
        try
        {
            await using var stream = await Open(port, files);
            return await stream.ReadAsync(new byte[1], Patience.Token) == 0;
        }
        catch (IOException)
        {
            return true;
        }
    }

    /// <summary>As <see cref="Refuses"/> where that is not certain yet: a port that accepts is left after a moment.</summary>
    private static async Task<bool> Refused(int port, CertificateFolder files)
    {
        await using var stream = await Open(port, files);
        using var moment = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        try
        {
            return await stream.ReadAsync(new byte[1], moment.Token) == 0;
        }
        catch (IOException)
        {
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>Fingerprint of the certificate that a port presents; null: none that is trusted.</summary>
    private static async Task<string?> Presented(int port, CertificateFolder files)
    {
        try
        {
            await using var stream = await Open(port, files);
            return stream.RemoteCertificate!.GetCertHashString();
        }
        catch (Exception error) when (error is IOException or System.Security.Authentication.AuthenticationException)
        {
            return null;
        }
    }

    private static async Task<SslStream> Open(int port, CertificateFolder files)
    {
        var peers = CertifiedClient.Peers(files);
        var socket = new TcpClient("127.0.0.1", port);
        var stream = new SslStream(socket.GetStream(), false, (_, certificate, chain, _) =>
            peers.IsSiloServing(certificate as X509Certificate2, chain));
        var options = new SslClientAuthenticationOptions { ApplicationProtocols = [new SslApplicationProtocol("Orleans1")] };
        peers.PrepareCall(options);
        await stream.AuthenticateAsClientAsync(options, Patience.Token);
        return stream;
    }
}
