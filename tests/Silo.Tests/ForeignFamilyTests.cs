using Peft.Orleans.Core.Runs;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Silo.Tests;

/// <summary>
/// A model family that only this assembly knows trains through a cluster: registered in Data and in Kernels, and nowhere else named.
/// </summary>
public sealed class ForeignFamilyTests
{
    private const int Steps = 3;

    [Fact]
    public async Task Same_bytes_on_one_silo_and_on_two()
    {
        LayerNormFamily.Register();
        var model = MakeModel();
        try
        {
            var (alone, losses) = await Train(1, model);
            Assert.True(alone.State == RunState.Completed, alone.Message);
            Assert.Equal(Steps, losses.Length);
            var (together, same) = await Train(2, model);
            Assert.True(together.State == RunState.Completed, together.Message);
            Assert.Equal(losses, same);
            Assert.NotNull(alone.AdapterSha256);
            Assert.Equal(alone.AdapterSha256, together.AdapterSha256);
        }
        finally
        {
            Directory.Delete(model, recursive: true);
        }
    }

    private static async Task<(RunStatus Status, string[] Losses)> Train(int silos, string model)
    {
        await using var cluster = await InProcessSilos.Start(silos, static _ => { });
        var status = await cluster.Run("foreign", Steps, model: model, method: "{ name: full }");
        return (status, cluster.Losses("foreign"));
    }

    /// <summary>The example's folder under the family's name, without weights: with method full they begin from the seed.</summary>
    private static string MakeModel()
    {
        var folder = Directory.CreateTempSubdirectory("peft-foreign").FullName;
        var example = Path.Combine(SharedFolder.RepositoryRoot, "examples", "tiny-llama");
        foreach (var name in new[] { "tokenizer.json", "tokenizer_config.json" })
            File.Copy(Path.Combine(example, name), Path.Combine(folder, name));
        var config = File.ReadAllText(Path.Combine(example, "config.json"))
            .Replace("LlamaForCausalLM", "LayerNormLlamaForCausalLM", StringComparison.Ordinal)
            .Replace("\"llama\"", "\"layernorm_llama\"", StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(folder, "config.json"), config);
        return folder;
    }
}
