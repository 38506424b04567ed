using System.Runtime.InteropServices;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Checks;
using Peft.Orleans.Data.Exports;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.SafeTensors;

namespace Peft.Orleans.Data.Tests.Exports;

/// <summary>A folder of a configuration's shapes with random weights.</summary>
public sealed class RandomModelTests : IDisposable
{
    private const string Config = """
        {"model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 5, "num_attention_heads": 4, "vocab_size": 1000,
         "attention_bias": true, "initializer_range": 0.03, "torch_dtype": "bfloat16", "layer_types": ["full_attention", "full_attention",
         "full_attention", "full_attention", "full_attention"]}
        """;

    private readonly TemporaryFolder folder = new();

    [Fact]
    public void It_is_a_model_of_so_many_layers_initialised_as_usual()
    {
        folder.Write("config.json", Config);
        folder.Write("tokenizer.json", "{}");
        var shares = new List<double>();
        var model = RandomModel.Of(folder.Path)
            .Write(folder.File("m"), 2, WeightType.Float32, 7, (done, all) => shares.Add((double)done / all));
        WeightChecks.Check(model);
        Assert.Equal((2, WeightType.Float32), (model.Dimensions.Blocks, model.StoredType));
        Assert.True(File.Exists(Path.Combine(model.Path, "tokenizer.json")));
        Assert.Equal(1, shares[^1]);
        var words = Values(model, "model.embed_tokens.weight");
        Assert.Equal(64_000, words.Length);
        var (mean, variance) = (words.Average(), words.Average(static value => value * value));
        // Five standard errors of each.
        Assert.InRange(mean, -5 * 0.03 / 253, 5 * 0.03 / 253);
        Assert.InRange(Math.Sqrt(variance), 0.03 * (1 - (5 / 357.0)), 0.03 * (1 + (5 / 357.0)));
        Assert.InRange(words.Average(static value => Math.Pow(value / 0.03, 4)), 2.8, 3.2);
        Assert.All(Values(model, "model.layers.1.input_layernorm.weight"), static value => Assert.Equal(1, value));
        Assert.All(Values(model, "model.layers.1.self_attn.q_proj.bias"), static value => Assert.Equal(0, value));
        Assert.NotEqual(Values(model, "model.layers.0.mlp.up_proj.weight"), Values(model, "model.layers.1.mlp.up_proj.weight"));
    }

    [Fact]
    public void The_seed_gives_the_bytes_and_half_types_are_the_nearest()
    {
        var config = RandomModel.Of(folder.Write("config.json", Config));
        var full = config.Write(folder.File("a"), 1, WeightType.Float32, 7);
        var half = config.Write(folder.File("b"), 1, config.StoredType, 7);
        Assert.Equal(Bytes("b"), Bytes("c", config.Write(folder.File("c"), 1, config.StoredType, 7)));
        Assert.NotEqual(Bytes("b"), Bytes("d", config.Write(folder.File("d"), 1, config.StoredType, 8)));
        Assert.Equal(WeightType.BFloat16, half.StoredType);
        const string Name = "model.layers.0.mlp.up_proj.weight";
        var exact = Values(full, Name);
        var rounded = MemoryMarshal.Cast<byte, ushort>(Header(half).ReadBytes(Name)).ToArray();
        for (var i = 0; i < exact.Length; i++)
        {
            var value = BitConverter.UInt32BitsToSingle((uint)rounded[i] << 16);
            Assert.InRange(Math.Abs(value - exact[i]), 0, Math.Abs(exact[i]) / 256);
        }
    }

    [Fact]
    public void What_cannot_be_made_is_refused_before_anything_is()
    {
        var config = RandomModel.Of(folder.Write("config.json", Config));
        Assert.Contains("has 5 layers", Refusal("m", 6));
        Directory.CreateDirectory(folder.File("full"));
        File.WriteAllText(Path.Combine(folder.File("full"), "x"), "");
        Assert.Contains("is not empty", Refusal("full", 1));
        Assert.Contains("is a file", Refusal("config.json", 1));
        Assert.False(Directory.Exists(folder.File("m")));
        Assert.Contains("none.json", Assert.Throws<PeftException>(() => RandomModel.Of(folder.File("none.json"))).Message);

        string Refusal(string to, int layers) =>
            Assert.Throws<PeftException>(() => config.Write(folder.File(to), layers, WeightType.Float32, 0)).Message;
    }

    public void Dispose() => folder.Dispose();

    private static SafeTensorsHeader Header(ModelFolder model) => SafeTensorsHeader.Read(Path.Combine(model.Path, "model.safetensors"));

    private static float[] Values(ModelFolder model, string name) =>
        MemoryMarshal.Cast<byte, float>(Header(model).ReadBytes(name)).ToArray();

    private string Bytes(string name, ModelFolder? made = null) =>
        FileHash.Of(Path.Combine(made?.Path ?? folder.File(name), "model.safetensors"));
}
