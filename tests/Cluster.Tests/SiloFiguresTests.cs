using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>What silos say of themselves while they train.</summary>
public partial class SiloFiguresTests
{
    [Fact]
    public async Task Tensors_and_memory_are_flat_over_two_hundred_steps_and_a_silo_reads_only_its_own_layers()
    {
        using var workspace = new Workspace();
        using var run = EndlessRun.Start(EmbeddedModel.RunFile(workspace), "flat", "--local", "2");
        await run.Reached(40);
        var before = await Scrape(run.Folder);
        await run.Reached(240);
        var after = await Scrape(run.Folder);
        await run.Stop();

        long read = 0;
        foreach (var silo in before.Keys)
        {
            // A scrape falls somewhere within a step, where some tensors are alive: their number is bounded, it does not grow.
            Assert.InRange(after[silo]["peft_silo_live_tensors"] - before[silo]["peft_silo_live_tensors"], -400, 400);
            Assert.InRange(after[silo]["peft_silo_resident_memory_bytes"] / before[silo]["peft_silo_resident_memory_bytes"], 0, 1.25);
            Assert.Equal(before[silo]["peft_silo_weights_read_bytes_total"], after[silo]["peft_silo_weights_read_bytes_total"]);
            read += (long)after[silo]["peft_silo_weights_read_bytes_total"];
            Assert.InRange(after[silo]["peft_silo_weights_read_bytes_total"], 1, WeightBytes() - 1);
        }

        Assert.Equal(WeightBytes(), read);
    }

    private static long WeightBytes() => Directory.EnumerateFiles(EmbeddedModel.Folder, "*.safetensors")
        .Sum(static file => Data.SafeTensors.SafeTensorsHeader.Read(file).Entries.Values.Sum(static entry => entry.Bytes));

    private static async Task<Dictionary<string, Dictionary<string, double>>> Scrape(string folder)
    {
        using var http = new HttpClient();
        var result = new Dictionary<string, Dictionary<string, double>>();
        foreach (var registration in Directory.EnumerateFiles(Path.Combine(folder, "cluster", "silos"), "*.json"))
        {
            var silo = JsonDocument.Parse(await File.ReadAllTextAsync(registration)).RootElement;
            var text = await http.GetStringAsync(silo.GetProperty("metricsUrl").GetString());
            var figures = new Dictionary<string, double>();
            foreach (Match match in Line().Matches(text))
                figures[match.Groups[1].Value] = double.Parse(match.Groups[2].Value, CultureInfo.InvariantCulture);
            result[silo.GetProperty("name").GetString()!] = figures;
        }

        return result;
    }

    [GeneratedRegex(@"^(peft_silo_\w+)(?:\{[^}]*\})? ([0-9.eE+-]+)", RegexOptions.Multiline)]
    private static partial Regex Line();
}
