using Peft.Orleans.Core;
using Peft.Orleans.Core.Models;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Models.Gated;

namespace Peft.Orleans.Data.Tests.Models;

/// <summary>A folder through its one door.</summary>
public sealed class ModelFolderTests
{
    private const string Config = """
        {"model_type":"llama","architectures":["LlamaForCausalLM"],"hidden_size":64,"intermediate_size":128,"num_hidden_layers":2,
         "num_attention_heads":4,"num_key_value_heads":2,"vocab_size":100,"attention_bias":true,"eos_token_id":7}
        """;

    [Fact]
    public void ALlamaIsDescribedByItsModulesAndTensors()
    {
        using var folder = new TemporaryFolder();
        folder.Write("config.json", Config);
        var model = ModelFolder.Open(folder.Path);
        Assert.Equal(("llama", 4, 100, WeightType.Float32, false, false),
            (model.Family, model.LayerCount, model.Vocabulary, model.StoredType, model.HasWeights, model.HasTokenizer));
        Assert.Equal(64, model.Config<GatedConfig>().HiddenSize);
        var linears = model.Linears(2);
        Assert.Equal(
            ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
            linears.Select(static linear => linear.Suffix)
        );
        Assert.Equal(new LinearSite("model.layers.1.self_attn.k_proj", 32, 64, HasBias: true, LinearRole.Key), linears[1]);
        Assert.Equal(new LinearSite("model.layers.1.mlp.down_proj", 64, 128, HasBias: false, LinearRole.Down), linears[6]);
        Assert.Equal(["model.layers.0.input_layernorm.weight", "model.layers.0.post_attention_layernorm.weight"], Names(model, 1));
        Assert.Equal(["model.embed_tokens.weight"], Names(model, 0));
        Assert.Equal(["lm_head.weight", "model.norm.weight"], Names(model, 3));
        Assert.Empty(model.Linears(0));
        Assert.Equal(TensorKind.LinearBias, model.KindOf("model.layers.1.self_attn.o_proj.bias"));
        Assert.Equal(TensorKind.NormWeight, model.KindOf("model.norm.weight"));
        Assert.Throws<ArgumentException>(() => model.KindOf("model.layers.0.mlp.up_proj.bias"));
        Assert.Equal(
            (linears.Sum(static linear => linear.Dimensions.Parameters) + 128, 64),
            (model.Dimensions.BlockParameters, model.Dimensions.HeadNorms)
        );
    }

    [Fact]
    public void EndTokensOfTheGenerationConfigComeFirst()
    {
        using var folder = new TemporaryFolder();
        folder.Write("config.json", Config);
        Assert.Equal([7], ModelFolder.Open(folder.Path).EndTokens);
        folder.Write("generation_config.json", """{"eos_token_id":[9,7]}""");
        Assert.Equal([9, 7], ModelFolder.Open(folder.Path).EndTokens);
    }

    [Fact]
    public void AFamilyFromOutsideIsOneRegistration()
    {
        using var folder = new TemporaryFolder();
        folder.Write("config.json", """{"model_type":"tiny","architectures":["TinyForCausalLM"],"width":8}""");
        var refusal = Assert.Throws<PeftException>(() => ModelFolder.Open(folder.Path));
        Assert.Contains(
            "architecture TinyForCausalLM (model_type tiny) is not supported; supported: LlamaForCausalLM",
            refusal.Message,
            StringComparison.Ordinal
        );
        ModelFamilies.Register(new TinyArchitecture());
        var model = ModelFolder.Open(folder.Path);
        Assert.Equal(("tiny", "both.0.mix"), (model.Family, model.Linears(1)[0].Name));
        Assert.Equal(new LinearDimensions("mix", 8, 8, true, LinearRole.QueryKeyValue), model.Dimensions.Linears[0]);
    }

    private static IEnumerable<string> Names(ModelFolder model, int layer) => model.Tensors(layer).Select(static tensor => tensor.Name);

    private sealed class TinyArchitecture : ModelArchitecture
    {
        public override string Family => "tiny";

        public override string Architecture => "TinyForCausalLM";

        public override ModelDescription Describe(ConfigReader config)
        {
            var width = config.PositiveInteger("width");
            return new ModelDescription
            {
                Config = width,
                HiddenSize = width,
                IntermediateSize = width,
                Blocks = 1,
                Heads = 1,
                KeyValueHeads = 1,
                HeadDim = width,
                Vocabulary = 10,
                Tied = false,
                MaxPositions = 16,
                EndTokens = [],
                InitializerRange = 0.02,
                StoredType = WeightType.Float32,
                BlockPrefix = "both.",
                Linears = [new LinearSite("mix", width, width, HasBias: true, LinearRole.QueryKeyValue)],
                BlockTensors =
                [
                    new ModelTensor("norm.weight", [width], TensorKind.NormWeight),
                    new ModelTensor("norm.bias", [width], TensorKind.NormBias),
                ],
                EmbeddingTensors = [new ModelTensor("words", [10, width], TensorKind.Embedding)],
                HeadTensors = [new ModelTensor("head", [10, width], TensorKind.Head)],
            };
        }
    }
}
