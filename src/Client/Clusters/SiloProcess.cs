using System.Diagnostics;
using System.Runtime.InteropServices;
using Peft.Orleans.Core.Cluster;

namespace Peft.Orleans.Client.Clusters;

/// <summary>
/// A silo process of a local cluster. It lives as long as its standard input is open, which the operating system closes with this process,
/// however that ends.
/// </summary>
internal sealed partial class SiloProcess : IDisposable
{
    private const int Sigterm = 15;

    private readonly Process process;
    private readonly string log;

    private SiloProcess(string name, Process process, string log)
    {
        Name = name;
        this.process = process;
        this.log = log;
    }

    /// <summary>Silo name.</summary>
    public string Name { get; }

    /// <summary>Process id.</summary>
    public int Pid => process.Id;

    /// <summary>Whether it has ended.</summary>
    public bool Exited => process.HasExited;

    /// <summary>Whether it has ended because it refused what it was given; its last words say why.</summary>
    public bool Refused => Exited && process.ExitCode == ExitCodes.Refused;

    /// <summary>Completes when it ends.</summary>
    public Task Ended => process.WaitForExitAsync();

    /// <summary>Starts a silo whose output goes to a log file.</summary>
    public static SiloProcess Start(string name, string clusterFolder, string log, int threads)
    {
        var (program, leading) = SiloExecutable.Locate();
        string[] arguments =
        [
            program, .. leading, SiloArguments.ClusterFolder, clusterFolder, SiloArguments.Name, name,
            SiloArguments.Threads, threads.ToString(System.Globalization.CultureInfo.InvariantCulture), SiloArguments.ExitWithParent,
        ];
        // The shell replaces itself. The log is a file, not a pipe: it outlives this process. A session of its own keeps a Ctrl-C meant for
        // the client away.
        var session = File.Exists("/usr/bin/setsid") ? "exec /usr/bin/setsid" : "exec";
        var start = new ProcessStartInfo("/bin/sh") { RedirectStandardInput = true, UseShellExecute = false };
        SpeakPlainly(start);
        foreach (var argument in (string[])["-c", $"log=$1; shift; {session} \"$@\" >>\"$log\" 2>&1", "sh", log, .. arguments])
            start.ArgumentList.Add(argument);
        var process = Process.Start(start) ?? throw new ClientException(ExitCodes.NoCluster, $"{program} could not be started");
        return new SiloProcess(name, process, log);
    }

    /// <summary>Starts a silo that joins a run under way and ends with it; this process may end before.</summary>
    public static void Join(string name, string runFolder, string log)
    {
        var (program, leading) = SiloExecutable.Locate();
        string[] arguments = [program, .. leading, SiloArguments.Join, runFolder, SiloArguments.Name, name];
        var session = File.Exists("/usr/bin/setsid") ? "/usr/bin/setsid " : "";
        var start = new ProcessStartInfo("/bin/sh") { UseShellExecute = false };
        SpeakPlainly(start);
        foreach (
            var argument in (string[])["-c", $"log=$1; shift; {session}\"$@\" </dev/null >>\"$log\" 2>&1 &", "sh", log, .. arguments]
        )
            start.ArgumentList.Add(argument);
        using var shell = Process.Start(start) ?? throw new ClientException(ExitCodes.NoCluster, $"{program} could not be started");
        shell.WaitForExit();
    }

    /// <summary>SIGTERM to a silo that another process started.</summary>
    public static void Terminate(int pid) => _ = Kill(pid, Sigterm);

    /// <summary>The last lines of its log.</summary>
    public string LastWords()
    {
        try
        {
            var lines = File.ReadLines(log).TakeLast(12).ToArray();
            return lines.Length == 0
                ? $"(its log {log} is empty)"
                : string.Join('\n', lines.Select(static line => "  " + line)) + $"\n(whole log: {log})";
        }
        catch (IOException)
        {
            return $"(no log at {log})";
        }
    }

    /// <summary>Closes its standard input: it finishes its step, snapshots and ends.</summary>
    public void AskToEnd()
    {
        try
        {
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has ended by itself.
        }
    }

    /// <summary>SIGTERM.</summary>
    public void Terminate()
    {
        if (!Exited) _ = Kill(Pid, Sigterm);
    }

    /// <summary>SIGKILL.</summary>
    public void Kill()
    {
        if (!Exited) process.Kill();
    }

    public void Dispose() => process.Dispose();

    /// <summary>
    /// Silos of this machine's own speak over loopback, to this client: what the environment says of others is not for them.
    /// </summary>
    private static void SpeakPlainly(ProcessStartInfo start)
    {
        foreach (var setting in (string[])["TLS_CERTIFICATE", "TLS_KEY", "TLS_CA", "TLS_NAME", "TOKEN_FILE", "HOST", "HTTP_HOST"])
            start.Environment.Remove("PEFT_SILO_" + setting);
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int pid, int signal);
}
