using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Peft.Orleans.Tests;

/// <summary>A silo started by hand, as on a machine of a cluster.</summary>
internal sealed class RemoteClusterSilo : IDisposable
{
    private readonly Process process;

    private RemoteClusterSilo(Process process) => this.process = process;

    internal Task Ended => process.WaitForExitAsync();

    internal bool HasEnded => process.HasExited;

    internal int ExitCode => process.ExitCode;

    internal int Pid => process.Id;

    internal void Kill() => process.Kill();

    /// <summary>Starts <c>peft-silo</c>; returns at once.</summary>
    internal static RemoteClusterSilo Start(string log, string workingFolder, params string[] arguments) =>
        Start(log, workingFolder, environment: null, arguments);

    private static RemoteClusterSilo Start(
        string log, string workingFolder, IReadOnlyDictionary<string, string>? environment, string[] arguments)
    {
        // The shell puts itself out of the way; the log is a file, so that nobody has to read a pipe.
        var start = new ProcessStartInfo("/bin/sh") { WorkingDirectory = workingFolder };
        foreach (var argument in (string[])["-c", "log=$1; shift; exec dotnet \"$@\" >>\"$log\" 2>&1", "sh", log, Program, .. arguments])
            start.ArgumentList.Add(argument);
        foreach (var (name, value) in environment ?? new Dictionary<string, string>()) start.Environment[name] = value;
        return new RemoteClusterSilo(Process.Start(start)!);
    }

    /// <summary>
    /// Starts a silo that sees another file in the place of one, as on a machine of its own; skips the test where no mounts are allowed.
    /// </summary>
    internal static RemoteClusterSilo StartElsewhere(
        string log, string workingFolder, string path, string other, string cluster, string name)
    {
        string[] apart = ["--user", "--map-root-user", "--mount"];
        try
        {
            using var trial = Process.Start("unshare", [.. apart, "mount", "--bind", other, path]);
            trial.WaitForExit();
            if (trial.ExitCode != 0) Assert.Skip("SKIPPED: needs a user namespace with its own mounts");
        }
        catch (System.ComponentModel.Win32Exception error)
        {
            Assert.Skip($"SKIPPED: needs unshare (util-linux): {error.Message}");
        }

        const string Script = "exec >>\"$1\" 2>&1; mount --bind \"$2\" \"$3\" || exit 1; shift 3; exec dotnet \"$@\"";
        var start = new ProcessStartInfo("unshare") { WorkingDirectory = workingFolder };
        foreach (var argument in (string[])
                 [
                     .. apart, "sh", "-c", Script, "sh", log, other, path,
                     Program, "--cluster-folder", cluster, "--name", name, "--threads", "1",
                 ])
            start.ArgumentList.Add(argument);
        return new RemoteClusterSilo(Process.Start(start)!);
    }

    /// <summary>Starts a silo of a cluster in a folder and waits until it accepts clients; the result is its gateway.</summary>
    /// <param name="clusterFolder">The cluster's folder.</param>
    /// <param name="name">The silo's name.</param>
    /// <param name="workingFolder">Where it is started.</param>
    /// <param name="environment">Variables of its own.</param>
    internal static async Task<(RemoteClusterSilo Silo, string Gateway)> Start(
        string clusterFolder, string name, string workingFolder, IReadOnlyDictionary<string, string>? environment = null)
    {
        var log = Path.Combine(clusterFolder, name + ".log");
        var port = Random.Shared.Next(10_240, 32_768).ToString(CultureInfo.InvariantCulture);
        var silo = Start(
            log,
            workingFolder,
            environment,
            ["--cluster-folder", clusterFolder, "--name", name, "--threads", "1", "--gateway-port", port]);
        var registration = Path.Combine(clusterFolder, "silos", name + ".json");
        await Patience.Until(() => File.Exists(registration) || silo.process.HasExited);
        Assert.True(File.Exists(registration), await File.ReadAllTextAsync(log));
        using var document = JsonDocument.Parse(await File.ReadAllTextAsync(registration));
        Assert.Equal(port, document.RootElement.GetProperty("gatewayPort").GetRawText());
        return (silo, "127.0.0.1:" + port);
    }

    public void Dispose()
    {
        if (!process.HasExited) process.Kill();
        process.Dispose();
    }

    internal static string Program { get; } = Repository.Built("Silo", "peft-silo.dll");
}
