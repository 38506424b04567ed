using Peft.Orleans.Dashboards.Drawing;
using Peft.Orleans.Dashboards.Files;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Prometheus;

/// <summary>
/// Every expression of every panel and alert, asked of a real Prometheus that scraped real silos while they trained and one was killed. The
/// GPUs' metrics alone are a recording.
/// </summary>
public sealed class DashboardDataTests(ScrapedCluster cluster) : IClassFixture<ScrapedCluster>
{
    private const int Step = 2;

    /// <summary>Largest picture, bytes.</summary>
    private const int LargestPicture = 200_000;

    [Fact]
    public async Task Every_expression_of_every_panel_returns_data() => await AllReturnData(
        DashboardFileTests.Panels.SelectMany(static item => item.Panel.Targets.Select(target =>
            ($"{item.Board.Name}: {item.Panel.Title}", Variables.Replace(target.Expression, 10 * Step)))));

    [Fact]
    public async Task Every_expression_of_every_alert_returns_data() =>
        await AllReturnData(AlertRules.All.Select(static rule => (rule.Name, rule.Answering)));

    [Fact]
    public async Task Every_variable_has_values()
    {
        var api = cluster.Prometheus.Api;
        Assert.Equal([PrometheusServer.Cluster], await api.Labels("cluster", "up{job=\"peft-silo\"}"));
        Assert.Equal(["silo-0", "silo-1", "silo-2"], await api.Labels("silo", "up{job=\"peft-silo\"}"));
        Assert.Equal(["hybrid", "unitary"], await api.Labels("run", "peft_run_state"));
        Assert.NotEmpty(await api.Labels("instance", "node_uname_info"));
        Assert.NotEmpty(await api.Labels("Hostname", "DCGM_FI_DEV_GPU_UTIL"));
    }

    /// <summary>
    /// With <c>PEFT_PICTURES=FOLDER</c> the pictures are left there (those of docs/dashboards are made so), after some minutes of training
    /// in which two more silos are lost.
    /// </summary>
    [Fact]
    public async Task Dashboards_can_be_drawn()
    {
        using var workspace = new Workspace();
        var folder = Environment.GetEnvironmentVariable("PEFT_PICTURES");
        if (folder is not null)
        {
            foreach (var name in (string[])["silo-2", "silo-1"])
            {
                var lost = Now() + 60;
                await cluster.Run.Until(() => Now() > lost);
                await cluster.Lose(name);
            }

            var end = Now() + 45;
            await cluster.Run.Until(() => Now() > end);
        }

        var pictures = await new Pictures(cluster.Prometheus.Api, cluster.Began - 5, Now())
            .Draw(DashboardFileTests.Folder, folder ?? workspace.Folder);
        Assert.Equal(DashboardFileTests.Boards.Count, pictures.Count);
        Assert.All(pictures, static picture => Assert.InRange(new FileInfo(picture).Length, LargestPicture / 20, LargestPicture));
    }

    private static double Now() => DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    private async Task AllReturnData(IEnumerable<(string Name, string Expression)> questions)
    {
        var missing = questions.ToList();
        // What is due later than the fixture waited for (a validation, a snapshot, a second scrape) comes within steps.
        var token = Patience.Token;
        while (true)
        {
            foreach (var question in missing.ToArray())
            {
                var series = await cluster.Prometheus.Api.Query(question.Expression, cluster.Began, Now(), Step);
                if (series.Any(static one => one.Points.Any(static point => double.IsFinite(point.Value)))) missing.Remove(question);
            }

            if (missing.Count == 0) return;
            var steps = cluster.Run.Lines().Length;
            Assert.False(
                steps > 200 || token.IsCancellationRequested,
                "no data:\n" + string.Join('\n', missing.Select(static one => $"{one.Name}: {one.Expression}")));
            await cluster.Run.MoreSteps(5);
        }
    }
}
