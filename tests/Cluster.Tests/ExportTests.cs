using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Peft.Orleans.Data.SafeTensors;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>What a run leaves, in the forms that other tools load: each computes what the run computes.</summary>
public sealed partial class ExportTests(ExportRuns runs) : IClassFixture<ExportRuns>
{
    [Theory]
    [InlineData("lora")]
    [InlineData("hybrid")]
    public async Task Merged_model_scores_as_base_and_adapter_do(string method)
    {
        using var workspace = new Workspace();
        var run = await runs.Run(method);
        var merged = Path.Combine(workspace.Folder, "merged");
        var said = (await PeftClient.Run("export", run, "--as", "merged", "--to", merged)).Succeeded();
        Assert.Contains(merged, said.Output, StringComparison.Ordinal);
        var adapted = await runs.Adapted(method);
        var plain = await runs.Base();
        var exported = await runs.Score("--model", merged);
        for (var i = 0; i < adapted.Count; i++) Assert.Equal(adapted[i], exported[i], 1e-4);
        Assert.Contains(adapted.Zip(plain), static pair => Math.Abs(pair.First - pair.Second) > 0.05);

        // A folder of its own: configuration, tokenizer, one file with every tensor of the base, nothing else.
        var names = Tensors(EmbeddedModel.Folder).Keys.Order(StringComparer.Ordinal);
        Assert.Equal(names, Tensors(merged).Keys.Order(StringComparer.Ordinal));
        Assert.Equal(["model.safetensors"], Directory.EnumerateFiles(merged, "model*").Select(Path.GetFileName));
        Assert.True(File.Exists(Path.Combine(merged, "tokenizer.json")));
        Assert.Empty(Directory.EnumerateFileSystemEntries(merged, ".*"));
    }

    [Fact]
    public async Task Merged_model_in_a_half_type_says_so_and_is_half_as_large()
    {
        using var workspace = new Workspace();
        var run = await runs.Run("lora");
        var merged = Path.Combine(workspace.Folder, "merged");
        (
            await PeftClient.Run(
                "export",
                Path.Combine(run, "adapter"),
                "--base",
                EmbeddedModel.Folder,
                "--as",
                "merged",
                "--dtype",
                "bfloat16",
                "--to",
                merged
            )
        ).Succeeded();
        Assert.Equal(
            "bfloat16",
            JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(merged, "config.json")))!["torch_dtype"]!.GetValue<string>()
        );
        Assert.All(Tensors(merged).Values, static tensor => Assert.Equal(SafeTensorsType.BF16, tensor.Entry.Type));
        var whole = await runs.Adapted("lora");
        var half = await runs.Score("--model", merged);
        for (var i = 0; i < whole.Count; i++) Assert.Equal(whole[i], half[i], 0.5);
    }

    [Fact]
    public async Task Hybrid_as_lora_holds_what_its_rank_can_and_tells_the_rest()
    {
        using var workspace = new Workspace();
        var run = await runs.Run("hybrid");
        var merged = Path.Combine(workspace.Folder, "merged");
        (await PeftClient.Run("export", run, "--as", "merged", "--to", merged)).Succeeded();
        var before = double.PositiveInfinity;
        foreach (var rank in (int[])[2, 16])
        {
            var folder = Path.Combine(workspace.Folder, $"rank-{rank}");
            var said = (await PeftClient.Run("export", run, "--as", "lora", "--rank", $"{rank}", "--to", folder)).Succeeded().Output;
            var reported = double.Parse(RelativeError().Match(said).Groups[1].Value, CultureInfo.InvariantCulture);
            var measured = Error(merged, folder, rank);
            Assert.Equal(measured, reported, 0.01 * measured);
            Assert.InRange(measured, 1e-6, 0.9 * before);
            before = measured;
        }

        var config = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(workspace.Folder, "rank-16", "adapter_config.json")))!;
        Assert.Equal("LORA", config["peft_type"]!.GetValue<string>());
        Assert.Equal(16, config["r"]!.GetValue<int>());
        Assert.Equal(7, config["target_modules"]!.AsArray().Count);

        // As an adapter it is near the run, nearer than the base is.
        var ours = await runs.Adapted("hybrid");
        var lora = await runs.Score("--model", EmbeddedModel.Folder, "--adapter", Path.Combine(workspace.Folder, "rank-16"));
        var plain = await runs.Base();
        Assert.True(Distance(ours, lora) < 0.5 * Distance(ours, plain), $"{Distance(ours, lora)} {Distance(ours, plain)}");

        var unranked = await PeftClient.Run("export", run, "--as", "lora", "--to", Path.Combine(workspace.Folder, "unranked"));
        Assert.Equal(2, unranked.ExitCode);
        Assert.Contains("--rank R", unranked.Errors, StringComparison.Ordinal);
        var tooLarge = await PeftClient.Run(
            "export",
            run,
            "--as",
            "lora",
            "--rank",
            "129",
            "--to",
            Path.Combine(workspace.Folder, "large")
        );
        Assert.Equal(2, tooLarge.ExitCode);
        Assert.Contains("its rank is at most 128", tooLarge.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Lora_of_a_lower_rank_and_the_adapter_as_it_is()
    {
        using var workspace = new Workspace();
        var run = await runs.Run("lora");
        var copy = Path.Combine(workspace.Folder, "copy");
        (await PeftClient.Run("export", run, "--as", "adapter", "--to", copy)).Succeeded();
        Assert.Equal(EmbeddedModel.Adapter(run), await File.ReadAllBytesAsync(Path.Combine(copy, "adapter_model.safetensors")));
        Assert.Equal(
            await File.ReadAllTextAsync(Path.Combine(run, "adapter", "adapter_config.json")),
            await File.ReadAllTextAsync(Path.Combine(copy, "adapter_config.json"))
        );

        // The rank it has loses only the rounding.
        var same = Path.Combine(workspace.Folder, "same");
        var said = (await PeftClient.Run("export", run, "--as", "lora", "--rank", "4", "--to", same)).Succeeded().Output;
        Assert.InRange(double.Parse(RelativeError().Match(said).Groups[1].Value, CultureInfo.InvariantCulture), 0, 1e-4);
        var ours = await runs.Adapted("lora");
        var theirs = await runs.Score("--model", EmbeddedModel.Folder, "--adapter", same);
        for (var i = 0; i < ours.Count; i++) Assert.Equal(ours[i], theirs[i], 1e-3);
    }

    [Fact]
    public async Task Model_of_method_full_is_copied()
    {
        using var workspace = new Workspace();
        var run = await runs.Run("full");
        var copy = Path.Combine(workspace.Folder, "copy");
        (await PeftClient.Run("export", run, "--as", "merged", "--to", copy)).Succeeded();
        foreach (var file in Directory.EnumerateFiles(Path.Combine(run, "model")))
            Assert.Equal(await File.ReadAllBytesAsync(file), await File.ReadAllBytesAsync(Path.Combine(copy, Path.GetFileName(file))));
        Assert.NotEqual(await runs.Base(), await runs.Score("--model", copy));
        var refused = await PeftClient.Run("export", run, "--as", "adapter", "--to", Path.Combine(workspace.Folder, "none"));
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains("--as merged", refused.Errors, StringComparison.Ordinal);
    }

    private static double Distance(IReadOnlyList<double> a, IReadOnlyList<double> b) =>
        Math.Sqrt(a.Zip(b).Sum(static pair => (pair.First - pair.Second) * (pair.First - pair.Second)));

    /// <summary>‖(merged − base) − B A‖ / ‖merged − base‖ over all modules, from the files.</summary>
    private static double Error(string merged, string adapter, int rank)
    {
        var before = Tensors(EmbeddedModel.Folder);
        var after = Tensors(merged);
        var lora = Tensors(adapter);
        double lost = 0,
            norm = 0;
        var modules = lora
            .Keys.Where(static name => name.EndsWith(".lora_A.weight", StringComparison.Ordinal))
            .Select(static name => name[..^".lora_A.weight".Length])
            .ToArray();
        Assert.Equal(4 * 7, modules.Length);
        foreach (var module in modules)
        {
            var name = module["base_model.model.".Length..] + ".weight";
            var (w, v) = (Floats(before[name]), Floats(after[name]));
            var (a, b) = (Floats(lora[module + ".lora_A.weight"]), Floats(lora[module + ".lora_B.weight"]));
            var columns = (int)after[name].Entry.Shape[1];
            Assert.Equal([rank, columns], lora[module + ".lora_A.weight"].Entry.Shape);
            Assert.Equal([after[name].Entry.Shape[0], rank], lora[module + ".lora_B.weight"].Entry.Shape);
            for (var i = 0; i < v.Length; i++)
            {
                double delta = v[i] - w[i], product = 0;
                for (var r = 0; r < rank; r++) product += (double)b[(i / columns * rank) + r] * a[(r * columns) + (i % columns)];
                lost += (delta - product) * (delta - product);
                norm += delta * delta;
            }
        }

        return Math.Sqrt(lost / norm);
    }

    private static Dictionary<string, (string Path, SafeTensorsEntry Entry)> Tensors(string folder) =>
        Directory
            .EnumerateFiles(folder, "*.safetensors")
            .SelectMany(static path => SafeTensorsHeader.Read(path).Entries.Values.Select(entry => (path, entry)))
            .ToDictionary(static tensor => tensor.entry.Name, static tensor => (tensor.path, tensor.entry));

    private static float[] Floats((string Path, SafeTensorsEntry Entry) tensor)
    {
        var bytes = File.ReadAllBytes(tensor.Path).AsSpan((int)tensor.Entry.Offset, (int)tensor.Entry.Bytes);
        return System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(bytes).ToArray();
    }

    [GeneratedRegex(@"change of weights ([0-9.e+-]+),")]
    private static partial Regex RelativeError();
}
