using System.Diagnostics.CodeAnalysis;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Models.Norms;
using Peft.Orleans.Kernels.Versions;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models;

/// <summary>Layer L+1: final norm and head; a frozen tied head reads the embedding's weight.</summary>
internal sealed class HeadShard : TrainableShard, IHead
{
    private readonly BaseTensor weight;
    private readonly LanguageModelHead head;

    [SetsRequiredMembers]
    internal HeadShard(LayerPlace place, ShardContext context, Norm norm) : base(place, context)
    {
        weight = new BaseTensor(
            Model.Tensors(Layer).Single(static tensor => tensor.Kind is TensorKind.Head or TensorKind.Embedding),
            context
        );
        Tensors.AddRange([weight, .. norm.Tensors]);
        head = new LanguageModelHead(weight, norm, Model.Dimensions);
        Seal();
    }

    public HeadResult Loss(LayerVersion version, Tensor x, Microbatch batch, double? scale, Tensor? gradient) =>
        head.Loss(version, x, batch, scale, gradient, NeedsInputGradient);

    public IReadOnlyList<(double LogLikelihood, int Tokens, bool IsGreedy)> Score(LayerVersion version, Tensor x, Microbatch batch) =>
        head.Score(version, x, batch);

    public Tensor LastLogits(LayerVersion version, Tensor x) => head.LastLogits(version, x);

    protected override bool IsExported(BaseTensor tensor) => tensor != weight || !Model.Dimensions.Tied;
}
