using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Models.Gated;
using Peft.Orleans.Data.Models.Rope;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Data.Tests.Models;

public sealed class GatedConfigTests
{
    private const string Sizes = """
        "model_type":"llama","architectures":["LlamaForCausalLM"],"hidden_size":64,"intermediate_size":128,"num_hidden_layers":2,"num_attention_heads":4,"vocab_size":100
        """;

    [Fact]
    public void ReadsBothSpellingsAlike()
    {
        var scaling = """ "factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":64 """;
        var older = Read(
            $$"""{ {{Sizes}}, "rope_theta":500000.0, "rope_scaling":{"rope_type":"llama3",{{scaling}}}, "torch_dtype":"bfloat16" }"""
        );
        var newer = Read(
            $$"""{ {{Sizes}}, "rope_parameters":{"rope_type":"llama3","rope_theta":500000.0,{{scaling}}}, "dtype":"bfloat16" }"""
        );
        Assert.Equal(older with { EosTokenIds = newer.EosTokenIds }, newer);
        Assert.Equal(500000.0, newer.RopeTheta);
        Assert.Equal(new RopeScaling(RopeKind.Llama3, 8, 1, 4, 64), newer.RopeScaling);
        Assert.Equal(WeightType.BFloat16, newer.TorchDtype);
    }

    [Fact]
    public void AbsentKeysHaveHuggingFacesDefaults()
    {
        var config = Read($$"""{ {{Sizes}} }""");
        Assert.Equal(4, config.NumKeyValueHeads);
        Assert.Equal(16, config.HeadDim);
        Assert.Equal(1e-6, config.RmsNormEps);
        Assert.Equal(10000, config.RopeTheta);
        Assert.Equal(RopeScaling.None, config.RopeScaling);
        Assert.False(config.TieWordEmbeddings);
        Assert.Null(config.TorchDtype);
        Assert.Empty(config.EosTokenIds);
    }

    [Fact]
    public void LinearScalingInTheOldSpelling()
    {
        var config = Read($$"""{ {{Sizes}}, "rope_scaling":{"type":"linear","factor":2.5}, "head_dim":32 }""");
        Assert.Equal(new RopeScaling(RopeKind.Linear, 2.5), config.RopeScaling);
        Assert.Equal(32, config.HeadDim);
    }

    [Theory]
    [InlineData("""{"model_type":"mamba","architectures":["MambaForCausalLM"]}""", "MambaForCausalLM")]
    [InlineData("""{"architectures":["QwenForCausalLM"]}""", "model_type")]
    [InlineData("""{"model_type":"llama"}""", "num_attention_heads", "hidden_size")]
    [InlineData("""{"model_type":"llama","hidden_size":"big"}""", "hidden_size is \"big\"")]
    [InlineData("""{ SIZES, "hidden_act":"gelu" }""", "hidden_act gelu")]
    [InlineData("""{ SIZES, "rope_scaling":{"rope_type":"longrope","factor":2} }""", "RoPE kind longrope")]
    [InlineData("""{ SIZES, "rope_scaling":{"rope_type":"linear"} }""", "rope_scaling.factor")]
    [InlineData("""{ SIZES, "num_key_value_heads":3 }""", "not a multiple of num_key_value_heads 3")]
    [InlineData("""{ SIZES, "dtype":"int8" }""", "dtype int8")]
    [InlineData("[1]", "not a JSON object")]
    public void WhatIsNotSupportedIsRefusedByName(string json, params string[] anyOf)
    {
        var error = Assert.Throws<PeftException>(() => Read(json.Replace("SIZES", Sizes, StringComparison.Ordinal)));
        Assert.Contains("config.json", error.Message, StringComparison.Ordinal);
        Assert.Contains(anyOf, part => error.Message.Contains(part, StringComparison.Ordinal));
    }

    [Fact]
    public void ReadsTheModelsOfTheReferenceData()
    {
        var smol = Of(SharedFolder.Require("models/SmolLM2-135M-Instruct"));
        Assert.Equal(
            (576, 30, 9, 3, 64, 49152),
            (smol.HiddenSize, smol.NumHiddenLayers, smol.NumAttentionHeads, smol.NumKeyValueHeads, smol.HeadDim, smol.VocabSize)
        );
        Assert.True(smol.TieWordEmbeddings);
        Assert.Equal(100000, smol.RopeTheta);
        Assert.Equal([2], smol.EosTokenIds);
        var llama3 = Of(SharedFolder.Require("goldens/llama-rope-llama3"));
        Assert.Equal(new RopeScaling(RopeKind.Llama3, 8, 1, 4, 64), llama3.RopeScaling);
        Assert.Equal(RopeKind.Linear, Of(SharedFolder.Require("goldens/llama-rope-linear")).RopeScaling.Kind);
    }

    private static GatedConfig Read(string json)
    {
        using var folder = new TemporaryFolder();
        folder.Write("config.json", json);
        return Of(folder.Path);
    }

    private static GatedConfig Of(string folder) => ModelFolder.Open(folder).Config<GatedConfig>();
}
