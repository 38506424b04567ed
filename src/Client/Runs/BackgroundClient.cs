using System.Diagnostics;
using System.Globalization;

namespace Peft.Orleans.Client.Runs;

/// <summary>A client without a terminal that keeps a local run's silos, for <c>--no-wait</c>.</summary>
internal static class BackgroundClient
{
    /// <summary>Starts it; its output goes to the run's logs.</summary>
    public static void Start(PreparedRun run, int silos)
    {
        var program = Environment.ProcessPath!;
        string[] leading = Path.GetFileNameWithoutExtension(program) == "dotnet" ? ["exec", Path.Combine(AppContext.BaseDirectory, "peft-client.dll")] : [];
        var session = File.Exists("/usr/bin/setsid") ? "exec /usr/bin/setsid" : "exec nohup";
        var start = new ProcessStartInfo("/bin/sh") { UseShellExecute = false };
        string[] arguments =
        [
            "-c", $"log=$1; shift; {session} \"$@\" </dev/null >>\"$log\" 2>&1", "sh", Path.Combine(run.Folder, RunFiles.Logs, RunFiles.ClientLog),
            program, .. leading, "start-run", "-f", Path.Combine(run.Folder, RunFiles.RunYaml), "--run-id", run.Id, "--local", silos.ToString(CultureInfo.InvariantCulture), "-o", "json",
        ];
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        using var process = Process.Start(start) ?? throw new ClientException(ExitCodes.NoCluster, $"{program} could not be started");
    }
}
