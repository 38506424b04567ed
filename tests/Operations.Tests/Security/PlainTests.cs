using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Security;

/// <summary>Plain connections beyond loopback, which nobody gets without asking.</summary>
public sealed class PlainTests
{
    [Theory]
    [InlineData("--host", "0.0.0.0")]
    [InlineData("--http-host", "192.0.2.1")]
    [InlineData("--http-host", "::")]
    public async Task A_silo_does_not_start_plainly_beyond_loopback(string option, string address)
    {
        using var workspace = new Workspace();
        var log = Path.Combine(workspace.Folder, "silo.log");
        using var silo = RemoteClusterSilo.Start(log, workspace.Folder, "--cluster-folder", "c", option, address);
        await silo.Ended;
        var said = await File.ReadAllTextAsync(log, Patience.Token);
        Assert.True(silo.ExitCode == 2, said);
        Assert.Contains($"{option} {address}: beyond this machine's loopback", said, StringComparison.Ordinal);
        Assert.Contains("--tls-certificate", said, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Path.Combine(workspace.Folder, "c")));
    }

    [Fact]
    public async Task A_client_does_not_speak_plainly_with_another_machine()
    {
        var outcome = await PeftClient.Run("silos", "--cluster", "192.0.2.1");
        Assert.Equal(2, outcome.ExitCode);
        Assert.Contains("--tls-certificate", outcome.Errors, StringComparison.Ordinal);
        Assert.Contains("--insecure", outcome.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Files_that_belong_together_are_given_together()
    {
        using var workspace = new Workspace();
        var outcome = await PeftClient.Run("silos", "--cluster", "127.0.0.1:1", "--tls-certificate", workspace.Write("c.pem", ""));
        Assert.Equal(2, outcome.ExitCode);
        Assert.Contains("--tls-key is missing", outcome.Errors, StringComparison.Ordinal);
    }
}
