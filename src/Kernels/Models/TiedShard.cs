using System.Diagnostics.CodeAnalysis;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Models.Norms;
using Peft.Orleans.Kernels.Versions;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models;

/// <summary>Layer 0 where trained tied embeddings are one parameter: embedding and head.</summary>
internal sealed class TiedShard : EmbeddingShard, IHead
{
    private readonly LanguageModelHead head;

    [SetsRequiredMembers]
    internal TiedShard(ShardContext context, Norm? embeddingNorm, Norm norm)
        : base(new LayerPlace(0, NeedsInputGradient: true), context, embeddingNorm)
    {
        Tensors.AddRange(norm.Tensors);
        head = new LanguageModelHead(Embedding, norm, Model.Dimensions);
        Seal();
    }

    public HeadResult Loss(LayerVersion version, Tensor x, Microbatch batch, double? scale, Tensor? gradient) =>
        head.Loss(version, x, batch, scale, gradient, needsInput: true);

    public IReadOnlyList<(double LogLikelihood, int Tokens, bool IsGreedy)> Score(LayerVersion version, Tensor x, Microbatch batch) =>
        head.Score(version, x, batch);

    public Tensor LastLogits(LayerVersion version, Tensor x) => head.LastLogits(version, x);
}
