using System.Diagnostics;
using System.Globalization;
using Peft.Orleans.Client.Clusters;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Core.Cluster;

namespace Peft.Orleans.Client.Runs;

/// <summary>A client without a terminal that keeps a local run's silos, for <c>--no-wait</c>.</summary>
internal static class BackgroundClient
{
    /// <summary>Starts it and waits until the run's folder is its; its output goes to the run's logs.</summary>
    /// <exception cref="ClientException">It ended before, for example because another client was faster; its last words are in the
    /// message.</exception>
    public static async Task Start(Terminal terminal, PreparedRun run, int silos)
    {
        var program = Environment.ProcessPath!;
        string[] leading =
            Path.GetFileNameWithoutExtension(program) == "dotnet"
                ? ["exec", Path.Combine(AppContext.BaseDirectory, "peft-client.dll")]
                : [];
        var session = File.Exists("/usr/bin/setsid") ? "exec /usr/bin/setsid" : "exec nohup";
        var log = run.Files.ClientLog;
        var start = new ProcessStartInfo("/bin/sh") { UseShellExecute = false };
        string[] arguments =
        [
            "-c", $"log=$1; shift; {session} \"$@\" </dev/null >>\"$log\" 2>&1", "sh", log,
            program, .. leading, "start-run", "-f", run.Files.RunFile, "--run-id", run.Id,
            "--local", silos.ToString(CultureInfo.InvariantCulture), "-o", "json",
        ];
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        // Shell and setsid become the client: the process stays the same.
        using var process = Process.Start(start) ?? throw new ClientException(ExitCodes.NoCluster, $"{program} could not be started");
        var times = ClusterTimes.Current;
        using var watch = new StartWatch(terminal, times.LocalStart, times, TimeProvider.System, static () => null, CancellationToken.None);
        await watch.Until(
            static () => "the client in the background",
            () => Task.FromResult(process.HasExited || RunLock.HeldBy(run.Folder) == process.Id),
            _ => new ClientException(ExitCodes.NoCluster, $"the client in the background does not start; see {log}"));
        if (process.HasExited && process.ExitCode != ExitCodes.Success)
        {
            var said = string.Join('\n', File.ReadLines(log).TakeLast(5));
            throw new ClientException(process.ExitCode, $"the client in the background has ended:\n{said}\n(whole log: {log})");
        }
    }
}
