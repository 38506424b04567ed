using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Security;

/// <summary>Silos and clients that prove who they are to each other, and those that cannot.</summary>
[Collection(nameof(TlsCluster))]
public sealed class MutualTlsTests(TlsCluster cluster)
{
    [Fact]
    public async Task A_run_trains_between_silos_that_trust_each_other()
    {
        var file = EmbeddedModel.RunFile(cluster.Workspace, method: "lora", steps: 2, replicas: "1");
        var files = cluster.Client("peft-operator");
        var run = (await cluster.Ask(files, "start-run", "-f", file, "--run-id", "trusted", "-o", "json")).Succeeded();
        Assert.Equal("completed", run.Json.GetProperty("status").GetString());
        Assert.Equal(2, run.Json.GetProperty("silos").GetInt32());
    }

    [Theory]
    [InlineData("stranger", 5, "no silo answers")]
    [InlineData("expired", 2, "not now")]
    [InlineData("server only", 2, "not meant for clients (clientAuth)")]
    [InlineData("none", 5, "this client's certificate one that it accepts")]
    public async Task A_client_without_a_valid_certificate_is_refused(string kind, int code, string said)
    {
        var authority = cluster.Authority;
        var files = kind switch
        {
            // It trusts the silos' authority, but its own certificate is another's.
            "stranger" => cluster.Files(kind, cluster.Stranger.Client("peft-operator")),
            "expired" => cluster.Files(kind, authority.Client("peft-operator", expired: true)),
            "server only" => cluster.Files(kind, authority.Give("CN=someone, OU=peft-operator", client: false)),
            _ => null,
        };
        if (kind == "stranger")
        {
            files!.Change(cluster.Stranger.Client("peft-operator"), authority.Pem + cluster.Stranger.Pem);
        }

        var outcome = await cluster.Ask(files, "silos");
        Assert.Equal(code, outcome.ExitCode);
        Assert.Contains(said, outcome.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_accepts_no_silo_of_another_name_or_authority()
    {
        var files = cluster.Client("peft-operator");
        var named = await PeftClient.Run(["silos", "--cluster", cluster.Gateway, .. files.Options, "--tls-name", "other-silo"]);
        Assert.Equal(5, named.ExitCode);
        Assert.Contains("has not the DNS name other-silo", named.Errors, StringComparison.Ordinal);
        var trusting = cluster.Files("trusting another", cluster.Stranger.Client("peft-operator"), cluster.Stranger);
        var other = await cluster.Ask(trusting, "silos");
        Assert.Equal(5, other.ExitCode);
        Assert.Contains("leads to no authority that is trusted", other.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("expired", "not now")]
    [InlineData("another name", "has not the DNS name peft-silo")]
    [InlineData("server only", "not meant for clients (clientAuth)")]
    [InlineData("another authority", "leads to no authority that is trusted")]
    public async Task A_silo_does_not_start_with_a_certificate_that_no_other_would_accept(string kind, string said)
    {
        var files = cluster.Files("silo " + kind, kind switch
        {
            "expired" => cluster.Authority.Silo(expired: true),
            "another name" => cluster.Authority.Silo("someone-else"),
            "server only" => cluster.Authority.Give("CN=silo", ["peft-silo"], client: false),
            _ => cluster.Stranger.Silo(),
        });
        var number = 10 + kind.Length;
        var silo = await cluster.Start(number, files);
        await silo.Ended;
        var log = await File.ReadAllTextAsync(cluster.Log(number), TestContext.Current.CancellationToken);
        Assert.True(silo.ExitCode == 2, log);
        Assert.Contains(said, log, StringComparison.Ordinal);
    }
}
