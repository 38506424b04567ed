using Peft.Orleans.Data.SafeTensors;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>
/// The uRNN reference run through the command line, over one and two silos: losses, norms, final parameters, equal bytes.
/// </summary>
public class UrnnTrainingTests(StandingClusters clusters)
{
    [Fact]
    public async Task Structured_maps_follow_the_reference()
    {
        using var golden = new GoldenRun("urnn-structured");
        var adapter = WriteInitialAdapter(golden);
        var runFile = golden.RunFile(
            $"{{ name: urnn, target_modules: [q_proj, v_proj, down_proj], initial_adapter: {adapter} }}",
            "{ name: adamw, learning_rate: 1.0e-2 }",
            "{ name: constant }",
            "null"
        );
        var norms = golden.Training.GetProperty("gradient_norms").EnumerateArray().Select(static value => value.GetDouble()).ToArray();
        var hashes = new List<string>();
        foreach (var silos in (int[])[1, 2])
        {
            var (summary, metrics) = await golden.Train(clusters, runFile, silos);
            Assert.Equal(golden.Steps, metrics.Length);
            for (var step = 0; step < metrics.Length; step++)
            {
                Assert.Equal(golden.Losses[step], metrics[step].GetProperty("loss").GetDouble(), step == 0 ? 5e-6 : 1e-5);
                Assert.Equal(norms[step], metrics[step].GetProperty("gradientNorm").GetDouble(), 1e-5 * norms[step]);
            }

            hashes.Add(summary.GetProperty("adapterSha256").GetString()!);
            var ours = GoldenRun.Tensors(Path.Combine(summary.GetProperty("adapterPath").GetString()!, "adapter_model.safetensors"));
            foreach (var (key, (_, final)) in golden.Reference.Where(static pair => pair.Key.Contains(".final.", StringComparison.Ordinal)))
            {
                var initial = golden.Reference[key.Replace(".final.", ".initial.", StringComparison.Ordinal)].Values;
                Assert.InRange(GoldenRun.RelativeToChange([(ours[OurName(key, ".final.")].Values, final, initial)]), 0, 1e-3);
            }
        }

        Assert.Equal(hashes[0], hashes[1]);
    }

    private static string OurName(string reference, string part) =>
        $"base_model.model.{reference.Replace(part, ".urnn_", StringComparison.Ordinal)}";

    /// <summary>The reference's start as an adapter of ours: θ = θ0, and its permutations.</summary>
    private static string WriteInitialAdapter(GoldenRun golden)
    {
        var folder = Path.Combine(golden.Workspace.Folder, "initial");
        Directory.CreateDirectory(folder);
        var header = SafeTensorsHeader.Read(Path.Combine(golden.Folder, "reference.safetensors"));
        var tensors = new List<SafeTensorsTensor>();
        void Add(string name, SafeTensorsEntry entry) =>
            tensors.Add(new SafeTensorsTensor(name, entry.Type, entry.Shape, stream => stream.Write(header.ReadBytes(entry.Name))));
        foreach (var (key, entry) in header.Entries)
        {
            if (key.EndsWith(".permutation", StringComparison.Ordinal)) Add(OurName(key, ".permutation") + "permutation", entry);
            if (!key.Contains(".initial.", StringComparison.Ordinal)) continue;
            Add(OurName(key, ".initial."), entry);
            Add(OurName(key, ".initial.") + "_start", entry);
        }

        SafeTensorsWriter.Write(Path.Combine(folder, "adapter_model.safetensors"), tensors);
        File.WriteAllText(Path.Combine(folder, "adapter_config.json"), """
            { "peft_type": "URNN", "base_model_name_or_path": "base", "target_modules": ["q_proj", "v_proj", "down_proj"],
              "method": { "name": "urnn", "target_modules": ["q_proj", "v_proj", "down_proj"], "urnn": { "kind": "structured", "mode": "compose" } } }
            """);
        return folder;
    }
}
