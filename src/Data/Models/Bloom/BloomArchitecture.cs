using Peft.Orleans.Core.Models;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Data.Models.Bloom;

/// <summary>The BLOOM family.</summary>
internal sealed class BloomArchitecture : ModelArchitecture
{
    private const string EmbeddingName = "transformer.word_embeddings.weight";

    public override string Family => "bloom";

    public override string Architecture => "BloomForCausalLM";

    public override ModelDescription Describe(ConfigReader config)
    {
        ForeignKeys.Refuse(config, Family, own: ["apply_residual_connection_post_layernorm"]);
        var bloom = BloomConfig.Read(config);
        long hidden = bloom.HiddenSize, wide = 4 * hidden, vocabulary = bloom.VocabSize;
        return new ModelDescription
        {
            Config = bloom,
            HiddenSize = bloom.HiddenSize,
            IntermediateSize = 4 * bloom.HiddenSize,
            Blocks = bloom.NumHiddenLayers,
            Heads = bloom.NumAttentionHeads,
            KeyValueHeads = bloom.NumAttentionHeads,
            HeadDim = bloom.HiddenSize / bloom.NumAttentionHeads,
            Vocabulary = bloom.VocabSize,
            Tied = bloom.TieWordEmbeddings,
            // ALiBi has none: seq_length is what the model was trained on, and transformers does not read it.
            MaxPositions = 0,
            EndTokens = bloom.EosTokenIds,
            InitializerRange = bloom.InitializerRange,
            StoredType = bloom.TorchDtype ?? WeightType.Float32,
            BlockPrefix = "transformer.h.",
            Linears =
            [
                new LinearSite("self_attention.query_key_value", 3 * hidden, hidden, true, LinearRole.QueryKeyValue),
                new LinearSite("self_attention.dense", hidden, hidden, true, LinearRole.Output),
                new LinearSite("mlp.dense_h_to_4h", wide, hidden, true, LinearRole.Up),
                new LinearSite("mlp.dense_4h_to_h", hidden, wide, true, LinearRole.Down),
            ],
            BlockTensors = [.. Norm("input_layernorm", hidden), .. Norm("post_attention_layernorm", hidden)],
            EmbeddingTensors =
            [
                new ModelTensor(EmbeddingName, [vocabulary, hidden], TensorKind.Embedding),
                .. Norm("transformer.word_embeddings_layernorm", hidden),
            ],
            HeadTensors =
            [
                bloom.TieWordEmbeddings
                    ? new ModelTensor(EmbeddingName, [vocabulary, hidden], TensorKind.Embedding)
                    : new ModelTensor("lm_head.weight", [vocabulary, hidden], TensorKind.Head),
                .. Norm("transformer.ln_f", hidden),
            ],
        };
    }

    private static ModelTensor[] Norm(string name, long width) =>
        [new($"{name}.weight", [width], TensorKind.NormWeight), new($"{name}.bias", [width], TensorKind.NormBias)];
}
