using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Tests;
using Xunit;

namespace Peft.Orleans.Core.Tests.Cluster;

public sealed class ClusterTimesTests
{
    [Fact]
    public void The_page_has_every_wait_with_default_bounds_and_meaning()
    {
        var rows = Repository.Page("reliability.md").Split('\n');
        foreach (var (name, value, bounds, meaning) in ClusterTimes.Table())
            Assert.Contains($"| `{name}` | {value} | {bounds} | {meaning} |", rows);
        Assert.Equal(ClusterTimes.Table().Select(static row => row.Name), Documented(rows));
    }

    [Fact]
    public void Defaults_keep_their_own_bounds() => Assert.Equal(new ClusterTimes(), ClusterTimes.Read(name =>
        // Each default, written out as a person would.
        ClusterTimes.Table().Single(row => name == "PEFT_TIME_" + Snake(row.Name)).Default.Replace(" s", "", StringComparison.Ordinal)));

    [Theory]
    [InlineData("PEFT_TIME_LOCAL_START", "1200")]
    [InlineData("PEFT_TIME_RETRIES", "7")]
    public void A_variable_sets_its_value(string variable, string text)
    {
        var times = ClusterTimes.Read(name => name == variable ? text : null);
        Assert.Equal(
            variable.EndsWith("START", StringComparison.Ordinal) ? TimeSpan.FromMinutes(20) : TimeSpan.FromMinutes(10),
            times.LocalStart);
        Assert.Equal(variable.EndsWith("RETRIES", StringComparison.Ordinal) ? 7 : 5, times.Retries);
    }

    [Theory]
    [InlineData("PEFT_TIME_LOCAL_START", "soon", "expected seconds from 1 to 3600; leave it out for 600")]
    [InlineData("PEFT_TIME_LOCAL_START", "0", "expected seconds from 1 to 3600")]
    [InlineData("PEFT_TIME_LOCAL_START", "NaN", "expected seconds from 1 to 3600")]
    [InlineData("PEFT_TIME_RETRIES", "2.5", "expected an integer from 1 to 1000")]
    public void What_is_no_value_is_refused_by_name(string variable, string text, string message)
    {
        var error = Assert.Throws<PeftException>(() => ClusterTimes.Read(name => name == variable ? text : null));
        Assert.StartsWith($"{variable}={text}: {message}", error.Message, StringComparison.Ordinal);
    }

    private static string Snake(string name) =>
        string.Concat(name.Select(static (letter, i) => (char.IsUpper(letter) && i > 0 ? "_" : "") + char.ToUpperInvariant(letter)));

    private static IEnumerable<string> Documented(string[] rows) =>
        rows.SkipWhile(static row => row != "## Waits").TakeWhile(
            static row => row == "## Waits" || !row.StartsWith("## ", StringComparison.Ordinal))
            .Where(static row => row.StartsWith("| `", StringComparison.Ordinal)).Select(static row => row.Split('`')[1]);
}
