using System.Net;
using System.Net.Sockets;
using Orleans.Messaging;
using Peft.Orleans.Core.Cluster;

namespace Peft.Orleans.Client.Clusters;

/// <summary>
/// Gateways of a cluster given by address, or by names that are looked up again each time: behind the name of a headless service there are
/// others whenever silos have moved. A machine that is cut off breaks no connection: when answers do not come, those are left out
/// that accept none, and the connections to them are closed. One that accepts may still lead nowhere (its process hangs, or it cannot reach
/// the silo asked for, or has been evicted and does not know yet): when answers stay away, each in turn is the only one.
/// </summary>
/// <param name="addresses">What is known at first.</param>
/// <param name="lookUp">Looks the names up; null: there are none.</param>
internal sealed class AddressGateways(IReadOnlyList<IPEndPoint> addresses, Func<Task<IReadOnlyList<IPEndPoint>>>? lookUp = null)
    : IGatewayListProvider
{
    private IReadOnlyList<IPEndPoint> known = addresses;
    private volatile bool doubted;
    private volatile int doubts;
    private IPEndPoint[]? answering;

    public TimeSpan MaxStaleness => TimeSpan.FromSeconds(1);

    public bool IsUpdatable => true;

    public Task InitializeGatewayListProvider() => Task.CompletedTask;

    /// <summary>An answer did not come: looks at all of them when the list is read next.</summary>
    internal void Doubt()
    {
        Interlocked.Increment(ref doubts);
        doubted = true;
    }

    /// <summary>An answer came: the list stays as it is.</summary>
    internal void Trust() => doubts = 0;

    public async Task<IList<Uri>> GetGateways()
    {
        await LookUp().ConfigureAwait(false);
        var addresses = known;
        if (doubted)
        {
            doubted = false;
            var answers = await Task.WhenAll(addresses.Select(Answers)).ConfigureAwait(false);
            IPEndPoint[] accepting = [.. addresses.Where((_, i) => answers[i])];
            var turn = doubts - 2;
            answering = turn < 0 || accepting.Length == 0 ? accepting : [accepting[turn % accepting.Length]];
        }

        // None at all: whichever comes back first.
        return [.. (answering is { Length: > 0 } some ? some : addresses).Select(Gateways.Uri)];
    }

    /// <summary>Where the names lead now; what was known stays as long as they lead nowhere.</summary>
    private async Task LookUp()
    {
        if (lookUp is null) return;
        try
        {
            var found = await lookUp().ConfigureAwait(false);
            if (found.ToHashSet().SetEquals(known)) return;
            known = found;
            // Whoever was chosen was chosen among others.
            (answering, doubts) = (null, 0);
        }
        catch (ClientException)
        {
            // No pod is ready, or the name server does not answer.
        }
    }

    private static async Task<bool> Answers(IPEndPoint address)
    {
        using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        using var patience = new CancellationTokenSource(ClusterTimes.Current.Connection);
        try
        {
            await socket.ConnectAsync(address, patience.Token).ConfigureAwait(false);
            return true;
        }
        catch (Exception error) when (error is SocketException or OperationCanceledException)
        {
            return false;
        }
    }
}
