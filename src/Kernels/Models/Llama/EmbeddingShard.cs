using System.Diagnostics.CodeAnalysis;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Data.Models.Llama;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models.Llama;

/// <summary>Layer 0: the embedding; with trained tied embeddings also the head, over the same parameter.</summary>
internal sealed class EmbeddingShard : TrainableShard
{
    internal const string WeightName = "model.embed_tokens.weight";

    private readonly BaseTensor embedding;
    private readonly LanguageModelHead? head;

    [SetsRequiredMembers]
    internal EmbeddingShard(ShardContext context, LlamaConfig config, bool withHead) : base(0, withHead, context, config)
    {
        Tensors.Add(embedding = new BaseTensor(WeightName, [config.VocabSize, config.HiddenSize], context));
        if (withHead)
        {
            var norm = new BaseTensor(LanguageModelHead.NormName, [config.HiddenSize], context);
            Tensors.Add(norm);
            head = new LanguageModelHead(embedding, norm, config);
        }

        Seal();
    }

    public override Tensor Embed(LayerVersion version, Microbatch batch)
    {
        using var scope = NewDisposeScope();
        var ids = Ids(batch);
        return embedding.Value(version).index_select(0, ids).to(Context.Compute).view(batch.Rows, batch.Columns, Config.HiddenSize).MoveToOuterDisposeScope();
    }

    public override void EmbedBackward(LayerVersion version, Microbatch batch, Tensor dx, Tensor gradient)
    {
        if (embedding.Gradient(gradient) is not { } target) return;
        using var scope = NewDisposeScope();
        target.index_add_(0, Ids(batch), dx.reshape(-1, Config.HiddenSize).to(ScalarType.Float32), Held(1));
        target.Dispose();
    }

    public override HeadResult Loss(LayerVersion version, Tensor x, Microbatch batch, double? scale, Tensor? gradient) => Head.Loss(version, x, batch, scale, gradient, needsInput: true);

    public override IReadOnlyList<(double LogLikelihood, int Tokens, bool IsGreedy)> Score(LayerVersion version, Tensor x, Microbatch batch) => Head.Score(version, x, batch);

    public override Tensor LastLogits(LayerVersion version, Tensor x) => Head.LastLogits(version, x);

    private LanguageModelHead Head => head ?? throw new NotSupportedException("this embedding shard holds no head");

    private Tensor Ids(Microbatch batch)
    {
        foreach (var id in batch.InputIds)
        {
            if ((uint)id >= (uint)Config.VocabSize)
                throw new PeftException($"token id {id} is outside the model's vocabulary of {Config.VocabSize}; tokenizer and model do not belong together");
        }

        return tensor(Array.ConvertAll(batch.InputIds, static id => (long)id), int64, device: Context.Device);
    }
}
