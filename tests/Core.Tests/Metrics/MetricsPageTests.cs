using System.Text.RegularExpressions;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Core.Tests.Metrics;

public sealed partial class MetricsPageTests
{
    [Fact]
    public void The_page_is_what_the_catalogue_says()
    {
        var page = MetricsPage.Write();
        if (Environment.GetEnvironmentVariable("PEFT_WRITE_DOCS") == "1")
            File.WriteAllText(Path.Combine(Repository.Root, "docs", "metrics.md"), page);
        Assert.Equal(Repository.Page("metrics.md"), page);
    }

    [Fact]
    public void Names_are_Prometheus_and_each_is_there_once()
    {
        Assert.All(MetricCatalogue.All, static metric => Assert.Matches(ValidName(), metric.Prometheus));
        Assert.Equal(MetricCatalogue.All.Count, MetricCatalogue.All.Select(static metric => metric.Prometheus).Distinct().Count());
    }

    [Fact]
    public void Histograms_have_rising_buckets_and_nothing_else_has_any() => Assert.All(MetricCatalogue.All, static metric =>
    {
        Assert.Equal(metric.Kind == MetricKind.Histogram, metric.Buckets.Count > 0);
        Assert.Equal(metric.Buckets.Order().Distinct(), metric.Buckets);
    });

    [Fact]
    public void No_label_grows_with_steps_or_microbatches() =>
        Assert.All(MetricCatalogue.All.Select(static metric => metric.Label).OfType<MetricLabel>(), static label =>
        {
            Assert.DoesNotContain(label.Name, (string[])["step", "microbatch", "sample", "term"]);
            Assert.InRange(label.Most, 1, 1024);
            Assert.True(label.Values.Count <= label.Most);
        });

    [GeneratedRegex("^peft_[a-z0-9]+(_[a-z0-9]+)*$")]
    private static partial Regex ValidName();
}
