using Peft.Orleans.Core.Models;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models.Rope;

namespace Peft.Orleans.Data.Models.Gated;

/// <summary>Sizes, modules and tensors of a <see cref="GatedConfig"/>.</summary>
internal static class GatedDescription
{
    private const string EmbeddingName = "model.embed_tokens.weight";

    internal static ModelDescription Of(GatedConfig config)
    {
        long hidden = config.HiddenSize, vocabulary = config.VocabSize;
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
            GenerationBound = config.RopeScaling.Kind == RopeKind.Dynamic
                ? new GenerationBound(
                    config.RopeScaling.OriginalMaxPositionEmbeddings,
                    "with RoPE dynamic the angles of longer texts change with every token, and there is no one way to generate them")
                : null,
            NormsHeads = config.HeadNorms,
            EndTokens = config.EosTokenIds,
            InitializerRange = config.InitializerRange,
            StoredType = config.TorchDtype ?? WeightType.Float32,
            BlockPrefix = "model.layers.",
            Linears = Linears(config),
            BlockTensors =
            [
                Norm("input_layernorm", hidden),
                Norm("post_attention_layernorm", hidden),
                .. config.HeadNorms
                    ? [Norm("self_attn.q_norm", config.HeadDim), Norm("self_attn.k_norm", config.HeadDim)]
                    : (ModelTensor[])[],
            ],
            EmbeddingTensors = [new ModelTensor(EmbeddingName, [vocabulary, hidden], TensorKind.Embedding)],
            HeadTensors =
            [
                config.TieWordEmbeddings
                    ? new ModelTensor(EmbeddingName, [vocabulary, hidden], TensorKind.Embedding)
                    : new ModelTensor("lm_head.weight", [vocabulary, hidden], TensorKind.Head),
                Norm("model.norm", hidden),
            ],
        };
    }

    private static LinearSite[] Linears(GatedConfig config)
    {
        long hidden = config.HiddenSize, wide = config.IntermediateSize;
        long queries = (long)config.NumAttentionHeads * config.HeadDim, keys = (long)config.NumKeyValueHeads * config.HeadDim;
        var (attention, mlp) = (config.QueryKeyValueBias, config.MlpBias);
        return
        [
            new LinearSite("self_attn.q_proj", queries, hidden, attention, LinearRole.Query),
            new LinearSite("self_attn.k_proj", keys, hidden, attention, LinearRole.Key),
            new LinearSite("self_attn.v_proj", keys, hidden, attention, LinearRole.Value),
            new LinearSite("self_attn.o_proj", hidden, queries, config.OutputBias, LinearRole.Output),
            new LinearSite("mlp.gate_proj", wide, hidden, mlp, LinearRole.Gate),
            new LinearSite("mlp.up_proj", wide, hidden, mlp, LinearRole.Up),
            new LinearSite("mlp.down_proj", hidden, wide, mlp, LinearRole.Down),
        ];
    }

    private static ModelTensor Norm(string name, long size) => new($"{name}.weight", [size], TensorKind.NormWeight);
}
