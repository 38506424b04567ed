using System.Diagnostics;
using System.IO.Compression;
using Peft.Orleans.Operations.Tests.Health;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Kubernetes;

/// <summary>The client as a .NET tool, installed from its package, and behind <c>kubectl peft</c>.</summary>
public sealed class ClientToolTests : IDisposable
{
    private const long MostBytes = 40 << 20;

    private readonly Workspace workspace = new();

    private string Packages => Path.Combine(workspace.Folder, "packages");

    private string Tools => Path.Combine(workspace.Folder, "tools");

    [Fact]
    public async Task Packed_installed_and_asking_a_silo_also_through_the_plugin_of_kubectl()
    {
        var pivot = new DirectoryInfo(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory)).Name;
        var configuration = pivot.StartsWith("release", StringComparison.Ordinal) ? "Release" : "Debug";
        await Run("dotnet", ["pack", Path.Combine(Repository.Root, "src", "Client"), "--no-build", "-c", configuration, "-o", Packages]);
        var package = Assert.Single(Directory.EnumerateFiles(Packages));
        Assert.InRange(new FileInfo(package).Length, 1, MostBytes);
        using (var zip = ZipFile.OpenRead(package))
        {
            Assert.DoesNotContain(zip.Entries, static entry => entry.Name.Contains("torch", StringComparison.OrdinalIgnoreCase)
                || entry.Name.StartsWith("peft-silo", StringComparison.Ordinal));
        }

        // From this package alone, whatever sources the machine knows.
        var sources = workspace.Write("nuget.config", $"""
            <configuration><packageSources><clear /><add key="here" value="{Packages}" /></packageSources></configuration>
            """);
        await Run("dotnet", ["tool", "install", "Peft.Orleans.Client", "--tool-path", Tools, "--configfile", sources]);
        var tool = Path.Combine(Tools, "peft-client");
        Assert.Contains("start-run", await Run(tool, ["--help"]), StringComparison.Ordinal);

        var cluster = Directory.CreateDirectory(Path.Combine(workspace.Folder, "cluster")).FullName;
        using var silo = await KubeletSilo.Start(cluster, "peft-silo-0");
        Assert.Contains("peft-silo-0", await Run(tool, ["silos", "--cluster", silo.Gateway, "-o", "json"]), StringComparison.Ordinal);
        await Plugin(silo.Gateway);
        await silo.Terminate();
    }

    public void Dispose() => workspace.Dispose();

    /// <summary>
    /// The plugin, with a kubectl in front of it that carries out what it is asked to in the pod here, on this machine.
    /// </summary>
    private async Task Plugin(string gateway)
    {
        var pod = workspace.Write("bin/kubectl", """
            #!/bin/sh
            [ "$1 $2 $3 $4 $5 $6" = "exec -i -n team deploy/peft-client --" ] || { echo "unexpected: $*" >&2; exit 9; }
            shift 6
            exec "$@"

            """);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(pod, (UnixFileMode)0b111_101_101);
        var plugin = Path.Combine(Repository.Root, "k8s", "kubectl-peft");
        Assert.Contains("peft-silo-0", await Run(plugin, ["silos", "-o", "json"], gateway), StringComparison.Ordinal);
    }

    private async Task<string> Run(string program, string[] arguments, string? cluster = null)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = workspace.Folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["PEFT_HOME"] = workspace.Folder;
        start.Environment["NO_COLOR"] = "1";
        if (cluster is not null)
        {
            start.Environment["PEFT_CLUSTER"] = cluster;
            start.Environment["PEFT_NAMESPACE"] = "team";
            var path = Environment.GetEnvironmentVariable("PATH");
            start.Environment["PATH"] = $"{Path.Combine(workspace.Folder, "bin")}:{Tools}:{path}";
        }

        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync(Patience.Token);
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: {process.ExitCode}\n{await output}\n{await errors}");
        return await output;
    }
}
