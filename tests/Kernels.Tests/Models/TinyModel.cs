using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Peft.Orleans.Data.SafeTensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Models;

/// <summary>
/// A Hugging Face folder with a tiny random Llama whose every part matters: grouped queries, odd sizes, biases where asked.
/// </summary>
internal sealed class TinyModel : IDisposable
{
    internal const int Vocabulary = 53, Hidden = 32, Wide = 48, Layers = 2, Heads = 4, KeyHeads = 2, HeadDim = 8;
    private readonly TemporaryFolder folder = new();

    /// <param name="tied">Whether the head is the embedding's weight.</param>
    /// <param name="bias">Whether linear modules have biases.</param>
    /// <param name="seed">Of the weights.</param>
    /// <param name="weights">Whether there are any.</param>
    /// <param name="shifts">Whether norms have a shift: then it is of the test's own family.</param>
    /// <param name="headNorms">Whether each head's query and key have a norm: then it is a Qwen3, without biases.</param>
    internal TinyModel(
        bool tied = false,
        bool bias = false,
        int seed = 1,
        bool weights = true,
        bool shifts = false,
        bool headNorms = false)
    {
        var (architecture, type) = shifts ? ("LayerNormLlamaForCausalLM", "layernorm_llama")
            : headNorms ? ("Qwen3ForCausalLM", "qwen3")
            : ("LlamaForCausalLM", "llama");
        File.WriteAllText(Path.Combine(folder.Path, "config.json"), $$"""
            {"architectures": ["{{architecture}}"], "model_type": "{{type}}",
             "vocab_size": {{Vocabulary}}, "hidden_size": {{Hidden}}, "intermediate_size": {{Wide}},
             "num_hidden_layers": {{Layers}}, "num_attention_heads": {{Heads}}, "num_key_value_heads": {{KeyHeads}},
             "head_dim": {{HeadDim}}, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
             "tie_word_embeddings": {{(tied ? "true" : "false")}}, "attention_bias": {{(bias ? "true" : "false")}}, "mlp_bias": {{(
                bias ? "true" : "false"
            )}}}
            """
        );
        if (!weights)
            return;
        var random = new Random(seed);
        var tensors = new List<SafeTensorsTensor>();
        foreach (var (name, shape) in Shapes(tied, bias, headNorms).SelectMany(tensor => shifts ? Shifted(tensor) : [tensor]))
        {
            var values = new float[shape.Aggregate(1L, static (a, b) => a * b)];
            for (var i = 0; i < values.Length; i++)
                values[i] = (name.EndsWith("norm.weight", StringComparison.Ordinal) ? 1f : 0f) + (0.2f * (float)Normal(random));
            Weights[name] = tensor(values, shape, dtype: float64).DetachFromDisposeScope();
            tensors.Add(
                new SafeTensorsTensor(name, SafeTensorsType.F32, shape, stream => stream.Write(MemoryMarshal.AsBytes(values.AsSpan())))
            );
        }

        SafeTensorsWriter.Write(Path.Combine(folder.Path, "model.safetensors"), tensors);
    }

    internal string Folder => folder.Path;

    /// <summary>The weights in float64, by Hugging Face name.</summary>
    internal Dictionary<string, Tensor> Weights { get; } = [];

    internal static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    internal static int[] Ids(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => random.Next(Vocabulary))];

    /// <summary>Gives a key of config.json another number; the weights stay.</summary>
    internal void Configure(string key, int value)
    {
        var path = Path.Combine(Folder, "config.json");
        var config = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        config[key] = value;
        File.WriteAllText(path, config.ToJsonString());
    }

    public void Dispose()
    {
        foreach (var weight in Weights.Values) weight.Dispose();
        folder.Dispose();
    }

    private static (string Name, long[] Shape)[] Shifted((string Name, long[] Shape) tensor) =>
        tensor.Name.EndsWith("norm.weight", StringComparison.Ordinal)
            ? [tensor, (tensor.Name.Replace(".weight", ".bias"), tensor.Shape)]
            : [tensor];

    private static IEnumerable<(string Name, long[] Shape)> Shapes(bool tied, bool bias, bool headNorms)
    {
        yield return ("model.embed_tokens.weight", [Vocabulary, Hidden]);
        if (!tied) yield return ("lm_head.weight", [Vocabulary, Hidden]);
        yield return ("model.norm.weight", [Hidden]);
        for (var layer = 0; layer < Layers; layer++)
        {
            var prefix = $"model.layers.{layer}";
            yield return ($"{prefix}.input_layernorm.weight", [Hidden]);
            yield return ($"{prefix}.post_attention_layernorm.weight", [Hidden]);
            if (headNorms) yield return ($"{prefix}.self_attn.q_norm.weight", [HeadDim]);
            if (headNorms) yield return ($"{prefix}.self_attn.k_norm.weight", [HeadDim]);
            foreach (
                var (module, rows, columns) in new (string, long, long)[]
                {
                    ("self_attn.q_proj", Heads * HeadDim, Hidden),
                    ("self_attn.k_proj", KeyHeads * HeadDim, Hidden),
                    ("self_attn.v_proj", KeyHeads * HeadDim, Hidden),
                    ("self_attn.o_proj", Hidden, Heads * HeadDim),
                    ("mlp.gate_proj", Wide, Hidden),
                    ("mlp.up_proj", Wide, Hidden),
                    ("mlp.down_proj", Hidden, Wide),
                }
            )
            {
                yield return ($"{prefix}.{module}.weight", [rows, columns]);
                if (bias) yield return ($"{prefix}.{module}.bias", [rows]);
            }
        }
    }
}
