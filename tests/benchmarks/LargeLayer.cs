using System.Diagnostics;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Data.SafeTensors;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Models;
using Peft.Orleans.Kernels.Shards;
using Peft.Orleans.Kernels.Torch;
using Peft.Orleans.Kernels.Versions;
using Peft.Orleans.Tests;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Benchmarks;

/// <summary>One decoder layer with the dimensions of Llama 3 8B and random weights: forward, backward and optimizer.</summary>
internal static class LargeLayer
{
    private const int Hidden = 4096, Intermediate = 14336, Heads = 32, KeyValueHeads = 8, HeadDim = 128;

    internal static void Run(BenchmarkOptions options)
    {
        TorchRuntime.Initialize(options.Threads);
        var folder = Directory.CreateTempSubdirectory("large-layer").FullName;
        try
        {
            Write(folder);
            var ofLayer = new BenchmarkOptions(["--model", folder, .. options.Args]);
            foreach (var method in options.List("methods", "lora")) Measure(ofLayer, method);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Measure(BenchmarkOptions options, string method)
    {
        var spec = options.Spec(method);
        spec = BenchmarkOptions.WithoutEstimate(spec);
        var setup = RunSetup.Of(spec);
        var rate = MatmulRate.Measure(options.ProductScalar);
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        // The second of two layers: its input gradient is wanted too.
        using var shard = ShardFactory.Load(setup, 2);
        using var current = new LayerVersion(shard.Layout, TorchRuntime.Device);
        using var next = new LayerVersion(shard.Layout, TorchRuntime.Device);
        shard.Initialize(current, 1, null, null);
        var x = randn([1, options.Tokens, Hidden]).to(options.ProductScalar);
        var dy = randn([1, options.Tokens, Hidden]).mul_(1e-3).to(options.ProductScalar);
        var batch = options.Batch();
        var (from, to) = (current, next);
        var times = new List<double>();
        var rounds = options.Number("rounds", 15);
        for (var round = -2; round < rounds; round++)
        {
            var start = Stopwatch.GetTimestamp();
            using (NewDisposeScope())
            {
                var step = round + 3;
                var gradient = zeros(shard.Layout.Size, float32);
                ((IBlock)shard).Forward(from, x, batch, new PassContext(1, step, 0, Training: true), save: true, out var saved);
                ((IBlock)shard).Backward(from, saved!, dy, gradient);
                saved!.Dispose();
                var measure = shard.Measure(from, gradient);
                shard.Apply(from, to, gradient, new OptimizerStep(step, 1, [1e-4, 1e-4], measure.NextLambda));
            }

            (from, to) = (to, from);
            if (round >= 0) times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        var seconds = PairedRatio.MedianOf([.. times.Order()]);
        var parameters = setup.Model.Dimensions.BlockParameters;
        Console.WriteLine(FormattableString.Invariant(
            $"{method}, one layer of {parameters / 1e6:F0}M parameters, {options.Dtype}, {options.Size}"));
        Console.WriteLine(FormattableString.Invariant($"{seconds:F3} s, {rate.Shares(4.0 * parameters * options.Tokens / seconds)}"));
    }

    private static void Write(string folder)
    {
        File.WriteAllText(Path.Combine(folder, "config.json"), $$"""
            {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16", "vocab_size": 256,
             "hidden_size": {{Hidden}}, "intermediate_size": {{Intermediate}}, "num_hidden_layers": 2, "hidden_act": "silu",
             "num_attention_heads": {{Heads}}, "num_key_value_heads": {{KeyValueHeads}}, "head_dim": {{HeadDim}},
             "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "max_position_embeddings": 8192, "tie_word_embeddings": false}
            """);
        const string Prefix = "model.layers.1";
        (string Name, long[] Shape)[] tensors =
        [
            ($"{Prefix}.self_attn.q_proj.weight", [Heads * HeadDim, Hidden]),
            ($"{Prefix}.self_attn.k_proj.weight", [KeyValueHeads * HeadDim, Hidden]),
            ($"{Prefix}.self_attn.v_proj.weight", [KeyValueHeads * HeadDim, Hidden]),
            ($"{Prefix}.self_attn.o_proj.weight", [Hidden, Heads * HeadDim]),
            ($"{Prefix}.mlp.gate_proj.weight", [Intermediate, Hidden]),
            ($"{Prefix}.mlp.up_proj.weight", [Intermediate, Hidden]),
            ($"{Prefix}.mlp.down_proj.weight", [Hidden, Intermediate]),
            ($"{Prefix}.input_layernorm.weight", [Hidden]),
            ($"{Prefix}.post_attention_layernorm.weight", [Hidden]),
        ];
        SafeTensorsWriter.Write(
            Path.Combine(folder, "model.safetensors"),
            [.. tensors.Select(static entry => Random(entry.Name, entry.Shape))]);
    }

    private static SafeTensorsTensor Random(string name, long[] shape) => new(name, SafeTensorsType.BF16, shape, stream =>
    {
        using var scope = NewDisposeScope();
        stream.Write(randn(shape, float32).mul_(0.02).to(bfloat16).bytes);
    });
}
