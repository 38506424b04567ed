using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Peft.Orleans.Operations.Tests.Kubernetes;

/// <summary>
/// A name server that answers as a cluster's does for a headless service: the addresses of the pods that are ready, in any order and for
/// five seconds; no such name when there are none. It knows one name and IPv4 alone.
/// </summary>
internal sealed class HeadlessService : IDisposable
{
    private const ushort AddressType = 1;

    private readonly UdpClient socket;
    private readonly string name;
    private readonly CancellationTokenSource ending = new();

    /// <summary>Serves a name at an address of this machine.</summary>
    /// <exception cref="SocketException">This user may not listen on port 53.</exception>
    internal HeadlessService(IPAddress address, string name)
    {
        this.name = name;
        socket = new UdpClient(new IPEndPoint(address, 53));
        _ = Serve();
    }

    /// <summary>The pods that are ready.</summary>
    internal IPAddress[] Ready { get; set; } = [];

    /// <summary>Questions for the name so far.</summary>
    internal int Asked { get; private set; }

    public void Dispose()
    {
        ending.Cancel();
        socket.Dispose();
    }

    private async Task Serve()
    {
        try
        {
            while (true)
            {
                var question = await socket.ReceiveAsync(ending.Token);
                if (Answer(question.Buffer) is { } answer) await socket.SendAsync(answer, question.RemoteEndPoint, ending.Token);
            }
        }
        catch (Exception error) when (error is OperationCanceledException or ObjectDisposedException or SocketException)
        {
            // The test is over.
        }
    }

    /// <summary>RFC 1035: header, the question again, and an answer for each address.</summary>
    private byte[]? Answer(byte[] message)
    {
        if (message.Length < 17) return null;
        var labels = new List<string>();
        var at = 12;
        while (at < message.Length && message[at] is > 0 and var length && at + length < message.Length)
        {
            labels.Add(Encoding.ASCII.GetString(message, at + 1, length));
            at += length + 1;
        }

        var end = at + 5;
        if (end > message.Length) return null;
        var known = string.Equals(string.Join('.', labels), name, StringComparison.OrdinalIgnoreCase);
        if (known) Asked++;
        var pods = known ? Ready : [];
        var answers = BinaryPrimitives.ReadUInt16BigEndian(message.AsSpan(at + 1)) == AddressType ? pods : [];
        var reply = new List<byte>(message[..end]);
        // A response, recursion available; code 3: there is no such name.
        (reply[2], reply[3]) = (0x81, (byte)(pods.Length > 0 ? 0x80 : 0x83));
        (reply[6], reply[7]) = (0, (byte)answers.Length);
        for (var i = 8; i < 12; i++) reply[i] = 0;
        Random.Shared.Shuffle(answers = [.. answers]);
        foreach (var pod in answers)
            reply.AddRange([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, .. pod.GetAddressBytes()]);
        return [.. reply];
    }
}
