using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Security;

namespace Peft.Orleans.Grains.DataPlane;

/// <summary>Makes streams of the data plane's sockets: plain ones, or those of two silos that have proved to be such.</summary>
/// <param name="peers">Whom this silo speaks with; null: with whoever comes.</param>
internal sealed class Channels(PeerCheck? peers)
{
    /// <summary>Plain.</summary>
    internal static Channels Plain { get; } = new(null);

    /// <summary>The stream of a socket that was connected to another silo; owns the socket.</summary>
    /// <exception cref="IOException">The other one is no silo, or broke off.</exception>
    internal async Task<Stream> Call(Socket socket, CancellationToken cancellation)
    {
        var plain = new NetworkStream(socket, ownsSocket: true);
        if (peers is null) return plain;
        var secured = new SslStream(plain, leaveInnerStreamOpen: false);
        var options = new SslClientAuthenticationOptions
        {
            RemoteCertificateValidationCallback = (_, certificate, chain, _) =>
                peers.IsSiloServing(certificate as X509Certificate2, chain),
        };
        peers.PrepareCall(options);
        return await Done(secured, token => secured.AuthenticateAsClientAsync(options, token), cancellation).ConfigureAwait(false);
    }

    /// <summary>The stream of a socket that was accepted; owns the socket.</summary>
    /// <exception cref="IOException">The other one is no silo, or broke off.</exception>
    internal async Task<Stream> Answer(Socket socket, CancellationToken cancellation)
    {
        var plain = new NetworkStream(socket, ownsSocket: true);
        if (peers is null) return plain;
        var secured = new SslStream(plain, leaveInnerStreamOpen: false);
        var options = new SslServerAuthenticationOptions
        {
            RemoteCertificateValidationCallback = (_, certificate, chain, _) =>
                peers.IsSiloCalling(certificate as X509Certificate2, chain),
        };
        peers.PrepareAnswer(options);
        return await Done(secured, token => secured.AuthenticateAsServerAsync(options, token), cancellation).ConfigureAwait(false);
    }

    private static async Task<Stream> Done(SslStream stream, Func<CancellationToken, Task> handshake, CancellationToken cancellation)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(ClusterTimes.Current.Handshake);
        try
        {
            await handshake(patience.Token).ConfigureAwait(false);
            return stream;
        }
        catch (Exception error)
        {
            await stream.DisposeAsync().ConfigureAwait(false);
            if (error is AuthenticationException) throw new IOException($"certificates were not accepted: {error.Message}", error);
            if (error is OperationCanceledException && !cancellation.IsCancellationRequested)
                throw new IOException($"certificates were not exchanged within {ClusterTimes.Current.Handshake.TotalSeconds:0} s", error);
            throw;
        }
    }
}
