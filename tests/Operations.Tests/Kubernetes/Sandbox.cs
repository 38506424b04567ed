using System.Diagnostics;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Kubernetes;

/// <summary>
/// What a pod of the manifests is to its process, as far as a machine has it without a container: a user without rights, no capabilities
/// and no new ones, a root that cannot be written, an empty <c>/tmp</c>. A folder of the test is at <c>/mnt</c>, of which <c>runs</c> alone
/// can be written.
/// </summary>
internal sealed class Sandbox : IDisposable
{
    private const string User = "64198";

    private const string Script = """
        set -e
        mount --bind "$1" /mnt
        mkdir -p /mnt/runs
        mount --bind /mnt/runs /mnt/runs
        mount -o remount,bind,ro /mnt
        mount -o remount,bind,ro /
        mount -t tmpfs -o mode=1777 tmpfs /tmp
        shift
        cd /
        exec setpriv --reuid 64198 --regid 64198 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all \
          env -i PATH="$PATH" DOTNET_EnableDiagnostics=0 HOME=/nowhere PEFT_HOME=/mnt/runs/index NO_COLOR=1 "$@"
        """;

    private readonly Workspace workspace = new();

    private Sandbox()
    {
    }

    /// <summary>The folder at <c>/mnt</c>.</summary>
    internal string Folder => workspace.Folder;

    /// <summary>Makes one; skips the test where this user may not.</summary>
    internal static Sandbox Make()
    {
        Tool.Require("setpriv", "util-linux");
        if (Environment.UserName != "root") Assert.Skip("SKIPPED: becoming another user needs root");
        var sandbox = new Sandbox();
        using var trial = sandbox.Start(
            "/bin/sh", "-c", "echo >/mnt/runs/here; ! echo 2>/dev/null >/mnt/there; ! echo 2>/dev/null >/there; id -u");
        var user = trial.StandardOutput.ReadToEnd().Trim();
        var errors = trial.StandardError.ReadToEnd();
        trial.WaitForExit();
        if (errors.Contains("Operation not permitted", StringComparison.Ordinal))
        {
            sandbox.Dispose();
            Assert.Skip($"SKIPPED: mounts of its own are not allowed here: {errors}");
        }

        Assert.Equal(User, user);
        Assert.True(File.Exists(Path.Combine(sandbox.Folder, "runs", "here")), errors);
        Assert.False(File.Exists(Path.Combine(sandbox.Folder, "there")) || File.Exists("/there"));
        return sandbox;
    }

    internal Process Start(string program, params string[] arguments)
    {
        var runs = Directory.CreateDirectory(Path.Combine(Folder, "runs")).FullName;
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(runs, (UnixFileMode)0b111_111_111);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(Folder, (UnixFileMode)0b111_101_101);
        return Process.Start(new ProcessStartInfo(
            "unshare", ["--mount", "/bin/sh", "-c", Script, "sh", Folder, program, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
    }

    /// <summary>SIGTERM; the process is the program itself, all before it having put themselves out of the way.</summary>
    internal void Terminate(Process process)
    {
        using var kill = Process.Start("kill", ["-TERM", $"{process.Id}"]);
        kill.WaitForExit();
    }

    public void Dispose() => workspace.Dispose();
}
