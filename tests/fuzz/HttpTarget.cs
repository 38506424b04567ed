using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using CsCheck;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Fuzz;

/// <summary>Requests to a silo's own process, which must still answer after the last.</summary>
internal sealed class HttpTarget : FuzzTarget
{
    private static readonly TimeSpan Start = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(20);

    private static readonly string[] Requests =
    [
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer guessed\r\nAccept: application/openmetrics-text\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic c29tZW9uZTpndWVzc2Vk\r\nConnection: close\r\n\r\n",
        "GET /health/ready?a=1&b=%00 HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: a=b\r\n\r\n",
        "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7\r\nContent-Type: application/json\r\n\r\n{\"a\":1}",
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "GET /dashboard/DashboardCounters HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];

    private readonly string folder = Directory.CreateTempSubdirectory("fuzz-http").FullName;
    private readonly Process silo;
    private readonly IPEndPoint place;

    internal HttpTarget()
    {
        var tokens = Path.Combine(folder, "tokens");
        File.WriteAllText(tokens, $"operator {new string('0', 64)}\n");
        var start = new ProcessStartInfo("/bin/sh");
        foreach (var argument in (string[])
                 [
                     "-c", "log=$1; shift; exec dotnet \"$@\" >>\"$log\" 2>&1", "sh", Path.Combine(folder, "log"),
                     Repository.Built("Silo", "peft-silo.dll"), "--cluster-folder", folder, "--name", "fuzz", "--threads", "1",
                     "--token-file", tokens, "--dashboard",
                 ])
            start.ArgumentList.Add(argument);
        silo = Process.Start(start)!;
        var registration = Path.Combine(folder, "silos", "fuzz.json");
        var begun = Stopwatch.GetTimestamp();
        while (!File.Exists(registration))
        {
            if (silo.HasExited || Stopwatch.GetElapsedTime(begun) > Start)
                throw new InvalidOperationException("the silo did not start: " + File.ReadAllText(Path.Combine(folder, "log")));
            Thread.Sleep(50);
        }

        using var document = JsonDocument.Parse(File.ReadAllText(registration));
        place = new IPEndPoint(IPAddress.Loopback, new Uri(document.RootElement.GetProperty("metricsUrl").GetString()!).Port);
    }

    internal override Gen<byte[]> Inputs
    {
        get
        {
            var one = Gen.Int[0, Requests.Length - 1]
                .SelectMany(static request => Damage.OfBytes(Encoding.Latin1.GetBytes(Requests[request])));
            var large = Gen.Select(Gen.Int[0, 40_000], Gen.Byte).Select(static (length, value) => Encoding.Latin1.GetBytes(
                $"GET /{new string((char)value, length)} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {new string('A', length)}\r\n\r\n"));
            return Gen.Frequency((49, one), (1, large));
        }
    }

    internal override long Memory
    {
        get
        {
            silo.Refresh();
            return silo.WorkingSet64;
        }
    }

    internal override bool Read(byte[] input)
    {
        var answer = Ask(input, wait: false);
        if (silo.HasExited) throw new InvalidOperationException("the silo has ended: " + File.ReadAllText(Path.Combine(folder, "log")));
        return answer;
    }

    public override void Dispose()
    {
        var last = "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"u8.ToArray();
        var answers = !silo.HasExited && Ask(last, wait: true);
        if (!silo.HasExited) silo.Kill();
        silo.WaitForExit();
        silo.Dispose();
        Directory.Delete(folder, recursive: true);
        if (!answers) throw new InvalidOperationException("the silo answers no more");
    }

    /// <summary>Whether the answer to bytes on a connection of their own is 200.</summary>
    private bool Ask(byte[] input, bool wait)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, LingerState = new LingerOption(true, 0) };
        socket.Connect(place);
        try
        {
            socket.Send(input);
            // What is no whole request has no answer: whoever sends it hangs up.
            if (!wait && !socket.Poll(Moment, SelectMode.SelectRead)) socket.Shutdown(SocketShutdown.Send);
            Span<byte> answer = stackalloc byte[64];
            var read = socket.Receive(answer);
            var status = Encoding.Latin1.GetString(answer[..read]);
            if (status.Contains(" 500", StringComparison.Ordinal))
                throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"an error of the program: {status}"));
            return status.StartsWith("HTTP/1.1 200", StringComparison.Ordinal);
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
