using System.Globalization;
using System.Text.RegularExpressions;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>Every method through the command line: the same bytes on one, two and three silos.</summary>
public partial class MethodBytesTests(StandingClusters clusters)
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
            new[] { 1, 2, 3 }.Select(async silos =>
            {
                var id = $"{Path.GetFileName(workspace.Folder)}-on-{silos}";
                var outcome = await clusters.StartRun(file, id, silos);
                Assert.Equal(silos, outcome.Json.GetProperty("silos").GetInt32());
                var lines = EmbeddedModel.Comparable(Path.Combine(workspace.Folder, "runs", id));
                return (Hash: outcome.AdapterSha256, Lines: string.Join('\n', lines));
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
        await clusters.StartRun(file, Path.GetFileName(workspace.Folder), 1);
        var run = Path.GetFileName(workspace.Folder);
        var errors = Error()
            .Matches(await clusters.Metrics())
            .Where(match => match.Groups[1].Value.Contains(run, StringComparison.Ordinal))
            .ToArray();
        Assert.NotEmpty(errors);
        Assert.All(errors, static match => Assert.InRange(double.Parse(match.Groups[2].Value, CultureInfo.InvariantCulture), 0, 1e-5));
    }

    [GeneratedRegex(@"^peft_boft_orthogonality_error\{([^}]*)\} ([0-9.eE+-]+)", RegexOptions.Multiline)]
    private static partial Regex Error();
}
