using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>A silo whose processor is taken away most of the time: no reason to lose it, and the metrics name it.</summary>
public sealed partial class SlowSiloTests
{
    [Fact]
    public async Task It_stays_the_bytes_stay_and_the_straggler_metric_names_it()
    {
        using var run = ElasticRun.Start(silos: 2, "auto");
        await run.Run.Reached(3);
        using var http = new HttpClient();
        using var throttled = new Throttle(run.Pid("silo-1"));
        var slowest = 0.0;
        await run.Run.Until(() =>
        {
            foreach (var url in run.MetricsUrls())
            {
                foreach (Match line in Slowdown().Matches(Scrape(http, url)))
                {
                    if (line.Groups["silo"].Value == "silo-1")
                        slowest = double.Parse(line.Groups["value"].Value, CultureInfo.InvariantCulture);
                }
            }

            return slowest > 1.5;
        });
        throttled.Dispose();
        var json = await run.StopsUndisturbed();
        Assert.Equal(0, json.GetProperty("recoveries").GetInt32());
        Assert.Equal(2, json.GetProperty("silos").GetInt32());
    }

    private static string Scrape(HttpClient http, string url)
    {
        using var response = http.Send(new HttpRequestMessage(HttpMethod.Get, url));
        using var reader = new StreamReader(response.Content.ReadAsStream());
        return reader.ReadToEnd();
    }

    [GeneratedRegex("""^peft_silo_slowdown(_ratio)?\{(?=[^}]*silo="(?<silo>[^"]+)")[^}]*\} (?<value>[0-9.e+-]+)""", RegexOptions.Multiline)]
    private static partial Regex Slowdown();

    /// <summary>Lets a process run for two fifths of the time, as a processor shared with many others does, by real signals.</summary>
    private sealed class Throttle : IDisposable
    {
        private readonly Process shell;

        internal Throttle(int pid) =>
            shell = Process.Start(
                "/bin/sh",
                [
                    "-c",
                    "trap 'kill -CONT $1; exit' TERM; while kill -STOP $1 2>/dev/null; do sleep 0.06; kill -CONT $1; sleep 0.04; done",
                    "sh",
                    pid.ToString(CultureInfo.InvariantCulture),
                ]
            );

        public void Dispose()
        {
            if (shell.HasExited) return;
            using var kill = Process.Start("kill", ["-TERM", shell.Id.ToString(CultureInfo.InvariantCulture)]);
            kill.WaitForExit();
            shell.WaitForExit();
        }
    }
}
