using System.Diagnostics;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Models;
using Peft.Orleans.Kernels.Models.Bloom;
using Peft.Orleans.Kernels.Models.Norms;
using Peft.Orleans.Kernels.Shards;
using Peft.Orleans.Kernels.Tests.Models;
using Peft.Orleans.Tests;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Shards;

public class ShardFactoryTests
{
    private static LayerShard Load(RunSpec spec, int layer) => ShardFactory.Load(RunSetup.Of(spec), layer);

    [Fact]
    public void Only_the_layers_own_tensors_are_read()
    {
        using var model = new TinyModel();
        var spec = Specs.Lora(model.Folder, [], 2, 2);
        var before = ShardFactory.WeightBytesRead;
        using var shard = Load(spec, 1);
        var expected = model
            .Weights.Where(static pair => pair.Key.StartsWith("model.layers.0.", StringComparison.Ordinal))
            .Sum(static pair => pair.Value.numel() * 4);
        Assert.Equal(expected, ShardFactory.WeightBytesRead - before);
        Assert.Equal(expected, shard.BaseBytes);
    }

    [Theory]
    [InlineData(WeightType.Float32)]
    [InlineData(WeightType.BFloat16)]
    public void Tensors_are_hashed_as_they_lie_in_the_file_whatever_they_are_held_as(WeightType dtype)
    {
        using var model = new TinyModel();
        var spec = Specs.Of(model.Folder, new MethodSpec { Name = MethodName.Lora, Lora = new LoraSpec { Rank = 2 } }, dtype);
        var folder = ModelFolder.Open(model.Folder);
        using var shard = ShardFactory.Load(RunSetup.Of(spec), 1, hashed: true);
        Assert.Equal(9, shard.WeightHashes.Count);
        foreach (var (name, hash) in shard.WeightHashes)
        {
            Assert.True(folder.Weights.TryFind(name, out var path, out var entry));
            var bytes = File.ReadAllBytes(path).AsSpan((int)entry.Offset, (int)entry.Bytes);
            Assert.Equal(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(bytes)), hash);
        }

        using var unasked = Load(spec, 1);
        Assert.Empty(unasked.WeightHashes);
    }

    [Fact]
    public void A_missing_tensor_and_a_wrong_shape_are_named()
    {
        using var model = new TinyModel();
        var spec = Specs.Lora(model.Folder, [], 2, 2);
        model.Configure("num_hidden_layers", 3);
        var missing = Assert.Throws<PeftException>(() => Load(spec, 3));
        Assert.Contains("model.layers.2.input_layernorm.weight", missing.Message);
        model.Configure("intermediate_size", 40);
        var wrong = Assert.Throws<PeftException>(() => Load(spec, 1));
        Assert.Contains("model.layers.0.mlp.gate_proj.weight", wrong.Message);
        Assert.Contains("[48, 32]", wrong.Message);
    }

    [Fact]
    public void What_this_version_lacks_is_refused_by_name()
    {
        using var model = new TinyModel();
        void Refused(string part, MethodSpec method, WeightType dtype = WeightType.Float32) =>
            Assert.Contains(part, Assert.Throws<PeftException>(() => Load(Specs.Of(model.Folder, method, dtype), 1)).Message);
        Refused("gate_projection", new MethodSpec { Name = MethodName.Lora, TargetModules = ["gate_projection"] });
        Refused("nf4", new MethodSpec { Name = MethodName.Lora }, WeightType.Nf4);
        Refused(
            "model.layers.0.self_attn.q_proj",
            new MethodSpec
            {
                Name = MethodName.Hybrid,
                Lora = new LoraSpec { Rank = 20 },
            }
        );
        Refused(
            "block_size",
            new MethodSpec
            {
                Name = MethodName.Hybrid,
                Lora = new LoraSpec { Rank = 2 },
                Boft = new BoftSpec { BlockSize = 6 },
            }
        );
    }

    [Fact]
    public void A_norm_after_the_embedding_is_taken_and_what_no_shard_takes_is_refused()
    {
        const string Config = """
            {"architectures": ["BloomForCausalLM"], "model_type": "bloom", "vocab_size": 53, "hidden_size": 16, "n_layer": 1, "n_head": 2}
            """;
        using var model = new RandomModel(Config);
        using var embedding = Load(Specs.Lora(model.Folder, [], 2, 2), 0);
        Assert.Equal(4 * ((53 * 16) + 32), embedding.BaseBytes);
        using var trained = Load(Specs.Full(model.Folder), 0);
        Assert.Equal(
            ["transformer.word_embeddings.weight", "transformer.word_embeddings_layernorm.weight",
                "transformer.word_embeddings_layernorm.bias", "transformer.ln_f.weight", "transformer.ln_f.bias"],
            trained.Layout.Trainable.Select(static slot => slot.Name));

        ModelFamilies.Register(new ScaledArchitecture());
        FamilyTable.Register(new ScaledFamily());
        using var scaled = new RandomModel(Config.Replace("bloom", "scaled", StringComparison.Ordinal)
            .Replace("Bloom", "Scaled", StringComparison.Ordinal));
        var refused = Assert.Throws<UnreachableException>(() => Load(Specs.Lora(scaled.Folder, [], 2, 2), 0));
        Assert.Contains("takes no tensor 'embedding_scale' of layer 0", refused.Message);
    }

    /// <summary>A family with a tensor after its embedding of which the shard knows nothing.</summary>
    private sealed class ScaledArchitecture : ModelArchitecture
    {
        public override string Family => "scaled";

        public override string Architecture => "ScaledForCausalLM";

        public override ModelDescription Describe(ConfigReader config)
        {
            var bloom = ModelFamilies.All.Single(static family => family.Family == "bloom").Describe(config);
            return bloom with
            {
                EmbeddingTensors = [.. bloom.EmbeddingTensors, new ModelTensor("embedding_scale", [16], TensorKind.LinearBias)],
            };
        }
    }

    private sealed class ScaledFamily : ModelFamily
    {
        private readonly BloomFamily bloom = new();

        internal override string Name => "scaled";

        internal override LayerShard Block(LayerPlace place, ShardContext context) => bloom.Block(place, context);

        internal override Norm Norm(ShardContext context, IReadOnlyList<ModelTensor> tensors) => bloom.Norm(context, tensors);
    }

    [Fact]
    public void Random_weights_are_a_function_of_seed_and_name()
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel(weights: false, tied: true, bias: true);
        using var first = new LocalPipeline(Specs.Full(model.Folder));
        using var second = new LocalPipeline(Specs.Full(model.Folder));
        using var other = new LocalPipeline(Specs.Full(model.Folder) with { Seed = 18 });
        foreach (var pipeline in new[] { first, second, other }) pipeline.Initialize();
        var (a, b, c) = (first.Export(), second.Export(), other.Export());
        foreach (var (name, value) in a)
        {
            Assert.True(value.eq(b[name]).all().item<bool>());
            if (name.EndsWith("norm.weight", StringComparison.Ordinal)) Assert.True(value.eq(1).all().item<bool>());
            else if (name.EndsWith(".bias", StringComparison.Ordinal)) Assert.True(value.eq(0).all().item<bool>());
            else Assert.False(value.eq(c[name]).all().item<bool>());
        }

        var deviation = a["model.layers.0.mlp.gate_proj.weight"].std().item<float>();
        Assert.InRange(deviation, 0.018, 0.022);
        Assert.Throws<PeftException>(() => new LocalPipeline(Specs.Lora(model.Folder, [], 2, 2)));
    }

    [Fact]
    public void Half_type_weights_compute_natively_or_in_float32()
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel();
        var batch = Batches.Of([TinyModel.Ids(new Random(1), 40)]);
        using var exact = new LocalPipeline(Specs.Lora(model.Folder, [], 2, 2));
        exact.Initialize();
        var expected = exact.Loss(batch);
        foreach (var (products, limit) in new[] { (ProductType.Float32, 0.01), (ProductType.Native, 0.05) })
        {
            foreach (var dtype in new[] { WeightType.BFloat16, WeightType.Float16 })
            {
                var spec = Specs.Of(
                    model.Folder,
                    new MethodSpec
                    {
                        Name = MethodName.Lora,
                        Lora = new LoraSpec { Rank = 2, Alpha = 4 },
                    },
                    dtype,
                    products
                );
                using var pipeline = new LocalPipeline(spec);
                pipeline.Initialize();
                Assert.Equal(expected, pipeline.Loss(batch), limit * expected);
                var losses = Enumerable.Range(1, 8).Select(step => pipeline.Step(step, [batch], 0.02).Loss).ToArray();
                Assert.True(losses[^1] < losses[0] - 0.05, $"{dtype} {products}: {string.Join(" ", losses)}");
            }
        }
    }

    [Fact]
    public void Steps_leave_no_tensor_behind()
    {
        using var model = new TinyModel();
        var random = new Random(1);
        Core.Batches.Microbatch[] batches = [Batches.Of([TinyModel.Ids(random, 20)]), Batches.Of([TinyModel.Ids(random, 8)])];
        var hybrid = Specs.Hybrid(model.Folder, ["q_proj", "down_proj"], 2, 4, 4, 2);
        foreach (
            var spec in new[]
            {
                Specs.Full(model.Folder),
                Specs.Lora(model.Folder, ["q_proj", "down_proj"], 2, 4, dropout: 0.1),
                hybrid with
                {
                    Method = hybrid.Method with
                    {
                        InitialAdapter = null,
                        LoraGa = new LoraGaSpec { Initialization = LoraGaInitialization.Stable },
                    },
                },
            }
        )
        {
            using var pipeline = new LocalPipeline(spec);
            pipeline.Initialize(samples: batches);
            // What earlier tests left to the collector must not go while these steps are counted.
            GC.Collect();
            GC.WaitForPendingFinalizers();
            var counts = new List<long>();
            for (var step = 1; step <= 12; step++)
            {
                pipeline.Step(step, batches, 1e-3);
                pipeline.Loss(batches[0]);
                pipeline.Greedy([1, 2, 3], 2);
                counts.Add(TorchSharp.torch.Tensor.TotalCount);
            }

            Assert.Equal(counts[3], counts[^1]);
        }
    }
}
