using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Stores;

/// <summary>A real server of a store, on a free port and in a folder of its own, that a test freezes, kills and starts again.</summary>
internal abstract class StoreServer : IDisposable
{
    private Process? process;

    protected StoreServer(string folder)
    {
        Folder = folder;
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        Port = ((IPEndPoint)probe.LocalEndpoint).Port;
    }

    /// <summary>What <c>--store</c> calls it.</summary>
    internal abstract string Kind { get; }

    /// <summary>How silos reach it.</summary>
    internal abstract string Connection { get; }

    protected string Folder { get; }

    protected int Port { get; }

    /// <summary>Starts it, for the first time or again, and waits until it takes connections.</summary>
    internal async Task Start()
    {
        process = Launch();
        await Patience.Until(() => IsReady() || process.HasExited);
        Assert.False(process.HasExited, $"{Kind} did not start: {File.ReadAllText(Path.Combine(Folder, "server.log"))}");
    }

    /// <summary>It takes connections and answers nothing.</summary>
    internal void Freeze() => Signal("STOP");

    internal void Thaw() => Signal("CONT");

    internal async Task Kill()
    {
        process!.Kill(entireProcessTree: true);
        await process.WaitForExitAsync(Patience.Token);
        await Patience.Until(() => !Accepts());
    }

    public void Dispose()
    {
        if (process is { HasExited: false })
        {
            Thaw();
            process.Kill(entireProcessTree: true);
            process.WaitForExit();
        }

        process?.Dispose();
    }

    protected abstract Process Launch();

    protected abstract bool IsReady();

    protected bool Accepts()
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Connect(IPAddress.Loopback, Port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>Starts a program whose output goes to the server's log.</summary>
    protected Process Logged(params string[] command)
    {
        var start = new ProcessStartInfo("/bin/sh") { WorkingDirectory = Folder };
        foreach (var argument in (string[])["-c", "exec \"$@\" >>server.log 2>&1", "sh", .. command]) start.ArgumentList.Add(argument);
        return Process.Start(start)!;
    }

    /// <summary>To the server and whatever it has started.</summary>
    private void Signal(string signal)
    {
        foreach (var pid in (int[])[process!.Id, .. Children(process.Id)])
        {
            using var kill = Process.Start("kill", [$"-{signal}", $"{pid}"]);
            kill.WaitForExit();
        }
    }

    private static IEnumerable<int> Children(int parent)
    {
        var path = $"/proc/{parent}/task/{parent}/children";
        if (!File.Exists(path)) yield break;
        foreach (var child in File.ReadAllText(path).Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse))
        {
            yield return child;
            foreach (var grandchild in Children(child)) yield return grandchild;
        }
    }
}
