using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Peft.Orleans.Operations.Tests.Metrics;

/// <summary>A span as it arrives.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Trace">Its trace.</param>
/// <param name="Id">Itself.</param>
/// <param name="Parent">Its parent, empty where it begins a trace.</param>
/// <param name="Links">Spans it links to.</param>
/// <param name="Tags">Keys of its attributes.</param>
internal sealed record ReceivedSpan(string Name, string Trace, string Id, string Parent, string[] Links, string[] Tags);

/// <summary>A receiver of OTLP over HTTP that understands as much of its protobuf as spans take.</summary>
internal sealed class OtlpReceiver : IDisposable
{
    private readonly HttpListener listener = new();
    private readonly ConcurrentQueue<ReceivedSpan> spans = new();

    internal OtlpReceiver()
    {
        using (var probe = new TcpListener(IPAddress.Loopback, 0))
        {
            probe.Start();
            Url = $"http://127.0.0.1:{((IPEndPoint)probe.LocalEndpoint).Port}";
        }

        listener.Prefixes.Add(Url + "/");
        listener.Start();
        _ = Serve();
    }

    internal string Url { get; }

    internal IReadOnlyList<ReceivedSpan> Spans => [.. spans];

    internal IEnumerable<ReceivedSpan> Named(string name) => spans.Where(span => span.Name == name);

    public void Dispose() => listener.Close();

    private async Task Serve()
    {
        try
        {
            while (true)
            {
                var context = await listener.GetContextAsync();
                using var body = new MemoryStream();
                await context.Request.InputStream.CopyToAsync(body);
                var known = context.Request.Url!.AbsolutePath == "/v1/traces";
                if (known) Read(body.ToArray());
                context.Response.StatusCode = known ? 200 : 404;
                context.Response.Close();
            }
        }
        catch (Exception error) when (error is HttpListenerException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    /// <summary>ExportTraceServiceRequest → ResourceSpans (1) → ScopeSpans (2) → Span (2).</summary>
    private void Read(byte[] request)
    {
        foreach (var resource in Fields(request, 1))
        {
            foreach (var scope in Fields(resource, 2))
            {
                foreach (var span in Fields(scope, 2))
                {
                    spans.Enqueue(new ReceivedSpan(
                        Encoding.UTF8.GetString(Fields(span, 5).Single()),
                        Convert.ToHexString(Fields(span, 1).Single()),
                        Convert.ToHexString(Fields(span, 2).Single()),
                        Convert.ToHexString(Fields(span, 4).SingleOrDefault() ?? []),
                        [.. Fields(span, 13).Select(static link => Convert.ToHexString(Fields(link, 2).Single()))],
                        [.. Fields(span, 9).Select(static tag => Encoding.UTF8.GetString(Fields(tag, 1).Single()))]));
                }
            }
        }
    }

    /// <summary>The length-delimited fields of a number in a message.</summary>
    private static IEnumerable<byte[]> Fields(byte[] message, int number)
    {
        var at = 0;
        while (at < message.Length)
        {
            var key = Varint(message, ref at);
            switch (key & 7)
            {
                case 0:
                    Varint(message, ref at);
                    break;
                case 1:
                    _ = BinaryPrimitives.ReadUInt64LittleEndian(message.AsSpan(at));
                    at += 8;
                    break;
                case 5:
                    at += 4;
                    break;
                case 2:
                    var length = (int)Varint(message, ref at);
                    if (key >> 3 == (ulong)number) yield return message[at..(at + length)];
                    at += length;
                    break;
                default:
                    throw new InvalidDataException($"wire type {key & 7} in a message of OTLP");
            }
        }
    }

    private static ulong Varint(byte[] message, ref int at)
    {
        var value = 0UL;
        for (var shift = 0; ; shift += 7)
        {
            var next = message[at++];
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80) return value;
        }
    }
}
