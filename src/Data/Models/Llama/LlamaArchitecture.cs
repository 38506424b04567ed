using Peft.Orleans.Core.Models;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Data.Models.Llama;

/// <summary>The Llama family.</summary>
internal sealed class LlamaArchitecture : ModelArchitecture
{
    private const string EmbeddingName = "model.embed_tokens.weight";

    public override string Family => "llama";

    public override string Architecture => "LlamaForCausalLM";

    public override ModelDescription Describe(ConfigReader config) => Describe(LlamaConfig.Read(config));

    internal static ModelDescription Describe(LlamaConfig config)
    {
        long hidden = config.HiddenSize, wide = config.IntermediateSize, vocabulary = config.VocabSize;
        long queries = (long)config.NumAttentionHeads * config.HeadDim, keys = (long)config.NumKeyValueHeads * config.HeadDim;
        var (attention, mlp) = (config.AttentionBias, config.MlpBias);
        return new ModelDescription
        {
            Config = config,
            HiddenSize = config.HiddenSize,
            IntermediateSize = config.IntermediateSize,
            Blocks = config.NumHiddenLayers,
            Heads = config.NumAttentionHeads,
            KeyValueHeads = config.NumKeyValueHeads,
            HeadDim = config.HeadDim,
            Vocabulary = config.VocabSize,
            Tied = config.TieWordEmbeddings,
            MaxPositions = config.MaxPositionEmbeddings,
            EndTokens = config.EosTokenIds,
            InitializerRange = config.InitializerRange,
            StoredType = config.TorchDtype ?? WeightType.Float32,
            BlockPrefix = "model.layers.",
            Linears =
            [
                new LinearSite("self_attn.q_proj", queries, hidden, attention, LinearRole.Query),
                new LinearSite("self_attn.k_proj", keys, hidden, attention, LinearRole.Key),
                new LinearSite("self_attn.v_proj", keys, hidden, attention, LinearRole.Value),
                new LinearSite("self_attn.o_proj", hidden, queries, attention, LinearRole.Output),
                new LinearSite("mlp.gate_proj", wide, hidden, mlp, LinearRole.Gate),
                new LinearSite("mlp.up_proj", wide, hidden, mlp, LinearRole.Up),
                new LinearSite("mlp.down_proj", hidden, wide, mlp, LinearRole.Down),
            ],
            BlockTensors =
            [
                new ModelTensor("input_layernorm.weight", [hidden], TensorKind.NormWeight),
                new ModelTensor("post_attention_layernorm.weight", [hidden], TensorKind.NormWeight),
            ],
            EmbeddingTensors = [new ModelTensor(EmbeddingName, [vocabulary, hidden], TensorKind.Embedding)],
            HeadTensors =
            [
                config.TieWordEmbeddings
                    ? new ModelTensor(EmbeddingName, [vocabulary, hidden], TensorKind.Embedding)
                    : new ModelTensor("lm_head.weight", [vocabulary, hidden], TensorKind.Head),
                new ModelTensor("model.norm.weight", [hidden], TensorKind.NormWeight),
            ],
        };
    }
}
