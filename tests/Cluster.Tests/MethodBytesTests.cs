using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>Clusters of one, two and three silos that stand while methods are run on them.</summary>
public sealed class StandingClusters : IAsyncLifetime
{
    private readonly Workspace workspace = new();
    private readonly List<RemoteClusterSilo> silos = [];

    /// <summary>Address by number of silos.</summary>
    internal Dictionary<int, string> Addresses { get; } = [];

    /// <summary>The metrics page of the cluster of one silo.</summary>
    internal async Task<string> Metrics()
    {
        using var registration = JsonDocument.Parse(
            await File.ReadAllTextAsync(Path.Combine(workspace.Folder, "cluster-1", "silos", "silo-0.json"))
        );
        using var http = new HttpClient();
        return await http.GetStringAsync(registration.RootElement.GetProperty("metricsUrl").GetString());
    }

    public async ValueTask InitializeAsync()
    {
        foreach (var count in (int[])[1, 2, 3])
        {
            var folder = Path.Combine(workspace.Folder, $"cluster-{count}");
            Directory.CreateDirectory(folder);
            var started = new List<(RemoteClusterSilo Silo, string Gateway)>();
            for (var i = 0; i < count; i++) started.Add(await RemoteClusterSilo.Start(folder, $"silo-{i}", folder));
            silos.AddRange(started.Select(static silo => silo.Silo));
            Addresses[count] = string.Join(',', started.Select(static silo => silo.Gateway));
        }
    }

    public ValueTask DisposeAsync()
    {
        silos.ForEach(static silo => silo.Dispose());
        workspace.Dispose();
        return ValueTask.CompletedTask;
    }
}

/// <summary>Every method through the command line: the same bytes on one, two and three silos.</summary>
public partial class MethodBytesTests(StandingClusters clusters) : IClassFixture<StandingClusters>
{
    private const string Sketch = "lora_ga: { gradient_samples: 3, gradient_estimate: sketch }";

    [Theory]
    [InlineData("full", "{ name: full }")]
    [InlineData("lora, DoRA", "{ name: lora, lora: { rank: 4, alpha: 8, dora: true, dropout: 0.1 } }")]
    [InlineData("lora_ga from a sketch", "{ name: lora_ga, lora: { rank: 4, alpha: 8 }, " + Sketch + " }")]
    [InlineData("lora, rank-stabilised, bounded", "{ name: lora, lora: { rank: 4, alpha: 8, rslora: true, max_delta_ratio: 0.001 } }")]
    [InlineData("boft", "{ name: boft, boft: { block_size: 4, butterfly_factors: 2 } }")]
    [InlineData(
        "boft, output side, projected",
        "{ name: boft, boft: { block_size: 4, butterfly_factors: 2, side: output, parameterization: projection } }"
    )]
    [InlineData("urnn, structured", "{ name: urnn, target_modules: [q_proj, v_proj] }")]
    [InlineData("urnn, dense", "{ name: urnn, target_modules: [q_proj, v_proj], urnn: { kind: dense, block_size: 4 } }")]
    [InlineData("hybrid from a sketch", "{ name: hybrid, lora: { rank: 4, alpha: 8 }, " + Sketch + ", lambda: { granularity: module } }")]
    [InlineData("hybrid, with snapshots on the way", "hybrid", 6)]
    [InlineData("lora, with snapshots on the way", "lora", 6)]
    public async Task On_any_number_of_silos(string name, string method, int steps = 2)
    {
        using var workspace = new Workspace();
        var file = EmbeddedModel.RunFile(workspace, method, steps);
        var runs = await Task.WhenAll(
            clusters.Addresses.Select(async cluster =>
            {
                var id = $"{Path.GetFileName(workspace.Folder)}-on-{cluster.Key}";
                var outcome = (
                    await PeftClient.Run("start-run", "-f", file, "--cluster", cluster.Value, "--run-id", id, "-o", "json")
                ).Succeeded();
                Assert.Equal(cluster.Key, outcome.Json.GetProperty("silos").GetInt32());
                return (
                    Hash: outcome.Json.GetProperty("adapterSha256").GetString()!,
                    Lines: string.Join('\n', EmbeddedModel.Comparable(Path.Combine(workspace.Folder, "runs", id)))
                );
            })
        );
        Assert.True(
            runs.Select(static run => run.Lines).Distinct().Count() == 1,
            $"{name}: the steps' lines differ between one, two and three silos"
        );
        Assert.True(
            runs.Select(static run => run.Hash).Distinct().Count() == 1,
            $"{name}: the adapters differ between one, two and three silos"
        );
    }

    [Fact]
    public async Task A_silo_tells_how_far_butterfly_blocks_are_from_orthogonal()
    {
        using var workspace = new Workspace();
        var file = EmbeddedModel.RunFile(
            workspace,
            "{ name: boft, target_modules: [o_proj], boft: { block_size: 4, butterfly_factors: 3 } }",
            steps: 3
        );
        (
            await PeftClient.Run(
                "start-run",
                "-f",
                file,
                "--cluster",
                clusters.Addresses[1],
                "--run-id",
                Path.GetFileName(workspace.Folder),
                "-o",
                "json"
            )
        ).Succeeded();
        var errors = Error()
            .Matches(await clusters.Metrics())
            .Where(static match => match.Groups[1].Value.EndsWith(".o_proj", StringComparison.Ordinal))
            .ToArray();
        Assert.NotEmpty(errors);
        Assert.All(errors, static match => Assert.InRange(double.Parse(match.Groups[2].Value, CultureInfo.InvariantCulture), 0, 1e-5));
    }

    [GeneratedRegex(@"^peft_boft_orthogonality_error\{[^}]*module=""([^""]+)""[^}]*\} ([0-9.eE+-]+)", RegexOptions.Multiline)]
    private static partial Regex Error();
}
