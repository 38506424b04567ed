using System.Diagnostics.CodeAnalysis;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Data.Models.Llama;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models.Llama;

/// <summary>Layer L+1: final norm and head; a frozen tied head reads the embedding's weight.</summary>
internal sealed class HeadShard : TrainableShard
{
    private readonly BaseTensor weight;
    private readonly LanguageModelHead head;

    [SetsRequiredMembers]
    internal HeadShard(int layer, bool needsInputGradient, ShardContext context, LlamaConfig config) : base(layer, needsInputGradient, context, config)
    {
        var name = config.TieWordEmbeddings ? EmbeddingShard.WeightName : LanguageModelHead.WeightName;
        weight = new BaseTensor(name, [config.VocabSize, config.HiddenSize], context);
        var norm = new BaseTensor(LanguageModelHead.NormName, [config.HiddenSize], context);
        Tensors.AddRange([weight, norm]);
        head = new LanguageModelHead(weight, norm, config);
        Seal();
    }

    public override HeadResult Loss(LayerVersion version, Tensor x, Microbatch batch, double? scale, Tensor? gradient) =>
        head.Loss(version, x, batch, scale, gradient, NeedsInputGradient);

    public override IReadOnlyList<(double LogLikelihood, int Tokens, bool IsGreedy)> Score(LayerVersion version, Tensor x, Microbatch batch) => head.Score(version, x, batch);

    public override Tensor LastLogits(LayerVersion version, Tensor x) => head.LastLogits(version, x);

    protected override bool IsExported(BaseTensor tensor) => !Config.TieWordEmbeddings || !ReferenceEquals(tensor, weight);
}
