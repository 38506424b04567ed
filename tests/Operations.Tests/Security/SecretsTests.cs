using System.Text;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Security;

/// <summary>Keys, tokens, passwords and what else lies in the environment are written nowhere.</summary>
public sealed class SecretsTests
{
    private const string OfEnvironment = "planted-environment-4b1d";
    private const string OfStore = "planted-password-77ac";
    private const string Guessed = "planted-guess-19fe";

    [Fact]
    public async Task What_is_secret_is_written_nowhere()
    {
        // Whatever processes inherit, of this test and of those beside it.
        Environment.SetEnvironmentVariable("HF_TOKEN", OfEnvironment);
        Environment.SetEnvironmentVariable("AWS_SECRET_ACCESS_KEY", OfEnvironment);
        var cluster = new TlsCluster();
        await using var _ = cluster;
        await cluster.InitializeAsync();
        var said = new StringBuilder();
        var unnamed = cluster.Client(null);
        var token = cluster.Workspace.Write("own.token", TlsCluster.OperatorToken);
        var file = EmbeddedModel.RunFile(cluster.Workspace, method: "lora", steps: 2);
        Hear((await cluster.Ask(unnamed, "start-run", "-f", file, "--run-id", "secret", "-o", "json", "--token-file", token)).Succeeded());
        Hear(await cluster.Ask(unnamed, "describe", "run", "secret", "--token-file", token));
        var guess = cluster.Workspace.Write("guess.token", Guessed);
        Hear(await cluster.Ask(unnamed, "stop", "secret", "--token-file", guess));
        var tooLong = cluster.Workspace.Write("long.token", Guessed + new string('x', 2000));
        Hear(await cluster.Ask(unnamed, "silos", "-o", "json", "--token-file", tooLong));
        foreach (var (store, connection) in ((string, string)[])
                 [
                     ("redis", $"127.0.0.1:1,password={OfStore},connectTimeout=200"),
                     ("redis", $"127.0.0.1:port,password={OfStore},nonsense={OfStore}"),
                     ("postgresql", $"Host=127.0.0.1;Port=1;Database=x;Username=y;Password={OfStore};Timeout=1"),
                     ("postgresql", $"Host=127.0.0.1;Nonsense={OfStore};Password={OfStore}"),
                 ])
        {
            var log = Path.Combine(cluster.Workspace.Folder, "store.log");
            var given = cluster.Workspace.Write("connection.token", connection);
            using var silo = RemoteClusterSilo.Start(
                log, cluster.Workspace.Folder, "--store", store, "--store-connection-file", given, "--name", "stored");
            await silo.Ended;
            Assert.Equal(2, silo.ExitCode);
        }

        var wrong = cluster.Workspace.Write("wrong-tokens", $"operator {Guessed}\n");
        var refused = Path.Combine(cluster.Workspace.Folder, "refused.log");
        using (var silo = RemoteClusterSilo.Start(refused, cluster.Workspace.Folder, "--cluster-folder", "other", "--token-file", wrong))
        {
            await silo.Ended;
            Assert.Contains("wrong-tokens:1: expected", await File.ReadAllTextAsync(refused, Patience.Token), StringComparison.Ordinal);
        }

        var key = File.ReadAllLines(cluster.SiloFiles.Key)[1];
        string[] secrets = [OfEnvironment, OfStore, Guessed, TlsCluster.OperatorToken, TlsCluster.ReadOnlyToken, key];
        Assert.All(secrets, secret => Assert.DoesNotContain(secret, said.ToString(), StringComparison.Ordinal));
        // What was planted, and files that are only held.
        string[] planted = [".token", "tls.key", "wrong-tokens", ".lock"];
        var looked = 0;
        foreach (var path in Directory.EnumerateFiles(cluster.Workspace.Folder, "*", SearchOption.AllDirectories))
        {
            if (Array.Exists(planted, end => path.EndsWith(end, StringComparison.Ordinal))) continue;
            var text = Encoding.Latin1.GetString(await File.ReadAllBytesAsync(path, Patience.Token));
            looked++;
            foreach (var secret in secrets) Assert.False(text.Contains(secret, StringComparison.Ordinal), $"{secret} is in {path}");
        }

        // Logs of two silos, run.yaml, events, metrics and the adapter are among them.
        Assert.True(File.Exists(Path.Combine(cluster.Workspace.Folder, "runs", "secret", "run.yaml")));
        Assert.True(looked > 10, $"only {looked} files");

        void Hear(PeftClient.Outcome outcome) => said.Append(outcome.Output).Append(outcome.Errors);
    }
}
