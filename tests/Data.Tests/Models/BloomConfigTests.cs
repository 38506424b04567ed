using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Models;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Models.Bloom;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Data.Tests.Models;

/// <summary>BLOOM's config.json, in both spellings, and what is made of it.</summary>
public sealed class BloomConfigTests
{
    private const string Older = """
        {"model_type":"bloom","architectures":["BloomForCausalLM"],"n_embed":48,"n_layer":3,"num_attention_heads":6,"vocab_size":100,
         "torch_dtype":"float16","seq_length":2048,"offset_alibi":100,"pretraining_tp":4}
        """;

    private const string Newer = """
        {"model_type":"bloom","architectures":["BloomForCausalLM"],"hidden_size":48,"num_hidden_layers":3,"n_head":6,"vocab_size":100,
         "dtype":"float16","eos_token_id":2,"apply_residual_connection_post_layernorm":false}
        """;

    [Fact]
    public void Both_spellings_are_one_model()
    {
        var (older, newer) = (Open(Older), Open(Newer));
        Assert.Equal(("bloom", 5, 100, WeightType.Float16), (older.Family, older.LayerCount, older.Vocabulary, older.StoredType));
        Assert.Equal<LinearDimensions>(older.Dimensions.Linears, newer.Dimensions.Linears);
        var sizes = older.Dimensions;
        Assert.Equal((6, 8, 192, true), (sizes.Heads, sizes.HeadDim, sizes.IntermediateSize, sizes.Tied));
        Assert.Equal([2], older.EndTokens);
        Assert.Equal((newer.StoredType, newer.EndTokens[0], 0), (older.StoredType, older.EndTokens[0], newer.MaxPositions));
    }

    [Fact]
    public void Modules_and_tensors_have_BLOOMs_names()
    {
        var model = Open(Older);
        Assert.Equal(
            ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"],
            TargetModules.Resolve(new MethodSpec { Name = MethodName.Lora }, model.Dimensions)
        );
        Assert.Equal(
            new LinearSite("transformer.h.2.self_attention.query_key_value", 144, 48, HasBias: true, LinearRole.QueryKeyValue),
            model.Linears(3)[0]
        );
        Assert.Equal(
            [
                "transformer.word_embeddings.weight", "transformer.word_embeddings_layernorm.weight",
                "transformer.word_embeddings_layernorm.bias",
            ],
            model.Tensors(0).Select(static tensor => tensor.Name)
        );
        Assert.Equal(
            ["transformer.word_embeddings.weight", "transformer.ln_f.weight", "transformer.ln_f.bias"],
            model.Tensors(4).Select(static tensor => tensor.Name)
        );
        Assert.Equal((96, 192), (model.Dimensions.EmbeddingNorms, model.Dimensions.BlockNorms));
        var untied = Open(Newer.Replace("\"n_head\"", "\"tie_word_embeddings\":false,\"n_head\"", StringComparison.Ordinal));
        Assert.Equal(("lm_head.weight", TensorKind.Head), (untied.Tensors(4)[0].Name, untied.Tensors(4)[0].Kind));
    }

    [Theory]
    [InlineData("\"n_embed\":48", "\"n_embed\":48,\"hidden_size\":64", "hidden_size is 64; but n_embed, which means the same, is 48")]
    [InlineData("\"n_embed\":48", "\"hidden_dropout\":0.1,\"n_embed\":48", "hidden_dropout is 0.1; family bloom does not compute")]
    [InlineData("\"n_embed\":48", "\"n_embed\":50", "hidden size 50 is not a multiple of the number of heads, 6")]
    [InlineData("\"n_layer\":3,", "", "the key num_hidden_layers is missing")]
    public void What_cannot_be_is_refused_by_key(string part, string by, string message) => Assert.Contains(
        message,
        Assert.Throws<PeftException>(() => Open(Older.Replace(part, by, StringComparison.Ordinal))).Message,
        StringComparison.Ordinal
    );

    [Fact]
    public void The_models_of_the_reference_data()
    {
        var large = ModelFolder.Open(SharedFolder.Require("models/configs/BLOOMZ-7B1")).Dimensions;
        Assert.Equal((4096, 30, 32, 250880, 128), (large.HiddenSize, large.Blocks, large.Heads, large.Vocabulary, large.HeadDim));
        var residual = ModelFolder.Open(SharedFolder.Require("goldens/bloom-residual")).Config<BloomConfig>();
        Assert.True(residual.ApplyResidualConnectionPostLayernorm);
    }

    private static ModelFolder Open(string json)
    {
        using var folder = new TemporaryFolder();
        folder.Write("config.json", json);
        return ModelFolder.Open(folder.Path);
    }
}
