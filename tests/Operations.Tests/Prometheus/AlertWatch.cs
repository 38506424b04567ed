using System.Diagnostics;
using System.Globalization;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Prometheus;

/// <summary>A Prometheus with the rules shortened, a minute to a second, over a cluster in which something is about to go wrong.</summary>
internal sealed class AlertWatch : IDisposable
{
    private readonly PrometheusServer prometheus;
    private readonly Stopwatch clock = Stopwatch.StartNew();

    private AlertWatch(PrometheusServer prometheus) => this.prometheus = prometheus;

    /// <summary>Begins to watch.</summary>
    internal static async Task<AlertWatch> Start(string clusterFolder) =>
        new(await PrometheusServer.Start(clusterFolder, AlertRules.Shortened));

    /// <summary>Until so many silos answer.</summary>
    internal Task Scraped(int silos) => Answers($"sum(up{{job=\"peft-silo\"}}) == {silos}");

    /// <summary>Until a silo was seen not to answer.</summary>
    internal Task Missed(string silo) => Answers($"max(up{{silo=\"{silo}\"}}) == 0");

    /// <summary>Until an expression has a value.</summary>
    internal Task Answers(string expression) => Until(async () => (await prometheus.Api.Query(expression)).Count > 0, expression);

    /// <summary>Whether an alert fires now.</summary>
    internal async Task<bool> IsFiring(string alert) =>
        (await prometheus.Api.Alerts()).Any(one => one.Name == alert && one.State == "firing");

    /// <summary>Nothing fires.</summary>
    internal async Task AssertSilent(params string[] alerts)
    {
        var firing = (await prometheus.Api.Alerts()).Where(static one => one.State == "firing").Select(static one => one.Name);
        Assert.Empty(firing.Intersect(alerts));
    }

    /// <summary>Until none of them fires: before the first scrape there was no silo.</summary>
    internal Task Silent(params string[] alerts) => Until(
        async () => !(await prometheus.Api.Alerts()).Any(one => one.State == "firing" && alerts.Contains(one.Name)),
        $"silence of {string.Join(", ", alerts)}");

    /// <summary>Until an alert fires; says after which time from here.</summary>
    internal async Task Fires(string alert)
    {
        var begin = clock.Elapsed;
        await Until(() => IsFiring(alert), alert);
        TestContext.Current.TestOutputHelper?.WriteLine(
            string.Create(CultureInfo.InvariantCulture, $"{alert} fires, {(clock.Elapsed - begin).TotalSeconds:0.0} s after its fault"));
    }

    public void Dispose() => prometheus.Dispose();

    private async Task Until(Func<Task<bool>> condition, string what)
    {
        var token = Patience.Token;
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        while (!await condition())
        {
            if (token.IsCancellationRequested)
            {
                var alerts = (await prometheus.Api.Alerts()).Select(static one => $"{one.Name} {one.State}");
                var rule = AlertRules.All.FirstOrDefault(rule => rule.Name == what);
                var values = rule is null ? [] : await prometheus.Api.Query(rule.Answering);
                Assert.Fail($"not within {Patience.Limit}: {what}; there is {string.Join(", ", alerts)}; its expression says "
                    + string.Join(", ", values.Select(static one => $"{one.Text} {one.Points[^1].Value}")));
            }

            await timer.WaitForNextTickAsync();
        }
    }
}
