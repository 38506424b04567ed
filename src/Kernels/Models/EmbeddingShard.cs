using System.Diagnostics.CodeAnalysis;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Models.Norms;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models;

/// <summary>Layer 0: the embedding, and a norm where one follows.</summary>
internal class EmbeddingShard : TrainableShard, IEmbedding
{
    private readonly Norm? norm;

    [SetsRequiredMembers]
    internal EmbeddingShard(ShardContext context, Norm? norm) : this(new LayerPlace(0, NeedsInputGradient: false), context, norm) => Seal();

    /// <summary>With more to come in the same shard: the caller seals it.</summary>
    [SetsRequiredMembers]
    protected EmbeddingShard(LayerPlace place, ShardContext context, Norm? norm) : base(place, context)
    {
        this.norm = norm;
        Embedding = new BaseTensor(Model.Tensors(0).Single(static tensor => tensor.Kind == TensorKind.Embedding), context);
        Tensors.AddRange([Embedding, .. norm?.Tensors ?? []]);
    }

    /// <summary><c>[vocabulary, hidden]</c>.</summary>
    protected BaseTensor Embedding { get; }

    public Tensor Embed(LayerVersion version, Microbatch batch)
    {
        using var scope = NewDisposeScope();
        var rows = Rows(version, Ids(batch));
        if (norm is not null) (_, rows) = norm.Forward(version, rows);
        return rows.view(batch.Rows, batch.Columns, Model.Dimensions.HiddenSize).MoveToOuterDisposeScope();
    }

    public void EmbedBackward(LayerVersion version, Microbatch batch, Tensor dx, Tensor gradient)
    {
        if (Embedding.Gradient(gradient) is not { } target) return;
        using var scope = NewDisposeScope();
        var (ids, dRows) = (Ids(batch), dx.reshape(-1, Model.Dimensions.HiddenSize));
        if (norm is not null)
        {
            var rows = Rows(version, ids);
            dRows = norm.Backward(version, dRows, rows, norm.Forward(version, rows).Statistics, gradient);
        }

        target.index_add_(0, ids, dRows.to(ScalarType.Float32), Held(1));
        target.Dispose();
    }

    /// <summary>Rows of the embedding <c>[T, hidden]</c> in the compute type.</summary>
    private Tensor Rows(LayerVersion version, Tensor ids) => Embedding.Value(version).index_select(0, ids).to(Context.Compute);

    private Tensor Ids(Microbatch batch)
    {
        foreach (var id in batch.InputIds)
        {
            if ((uint)id >= (uint)Model.Vocabulary)
                throw new PeftException(
                    $"token id {id} is outside the model's vocabulary of {Model.Vocabulary}; tokenizer and model do not belong together"
                );
        }

        return tensor(Array.ConvertAll(batch.InputIds, static id => (long)id), int64, device: Context.Device);
    }
}
