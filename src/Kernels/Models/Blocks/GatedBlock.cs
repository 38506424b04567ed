using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Models;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Loops.Attention;
using Peft.Orleans.Kernels.Models.Attention;
using Peft.Orleans.Kernels.Models.Norms;
using Peft.Orleans.Kernels.Torch;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models.Blocks;

/// <summary>
/// A decoder block, forward and backward written out: attention and SwiGLU MLP, each behind a norm, with residuals. Its linear modules are
/// q, k, v, o, gate, up and down, in this order.
/// </summary>
internal sealed class GatedBlock : TrainableShard, IBlock
{
    private const int Q = 0, K = 1, V = 2, O = 3, Gate = 4, Up = 5, Down = 6;

    /// <summary>The one module whose input is kept, whose output nothing else is made from, and whose weight is small.</summary>
    private const int ProductAgain = O;

    private static readonly LinearRole[] Roles =
    [
        LinearRole.Query, LinearRole.Key, LinearRole.Value, LinearRole.Output, LinearRole.Gate, LinearRole.Up, LinearRole.Down,
    ];

    private readonly Norm inputNorm;
    private readonly Norm middleNorm;
    private readonly CausalAttention attention;

    /// <param name="place">Which layer.</param>
    /// <param name="context">What shards need to know.</param>
    /// <param name="inputNorm">Before attention.</param>
    /// <param name="middleNorm">Before the MLP.</param>
    /// <param name="attention">Disposed of with this.</param>
    [SetsRequiredMembers]
    internal GatedBlock(LayerPlace place, ShardContext context, Norm inputNorm, Norm middleNorm, CausalAttention attention)
        : base(place, context)
    {
        if (!Model.Linears(Layer).Select(static site => site.Role).SequenceEqual(Roles))
            throw new UnreachableException(
                $"family {Model.Family} has other modules than a gated block: {string.Join(", ", Model.Linears(Layer))}"
            );
        (this.inputNorm, this.middleNorm, this.attention) = (inputNorm, middleNorm, attention);
        AdaptLinears();
        Tensors.AddRange([.. inputNorm.Tensors, .. middleNorm.Tensors]);
        Seal();
    }

    public Tensor Forward(LayerVersion version, Tensor x, BatchShape batch, PassContext pass, bool save, out ISavedActivations? saved)
    {
        using var scope = NewDisposeScope();
        var rows = x.reshape(-1, Model.Dimensions.HiddenSize);
        var linearPass = new LinearPass(version, pass);
        BlockSaved? keep = null;
        if (save)
        {
            keep = new BlockSaved(BlockSaved.Keep(rows.alias()), batch, linearPass, Linears.Count, ProductAgain)
            {
                // An estimate holds gradients of whole weights: activations beside them would set the run's peak.
                Full = pass.Training && Context.Setup.Recompute != RecomputePolicy.Always,
            };
        }

        try
        {
            var y = Compute(rows, batch, linearPass, keep is { Full: true } ? keep : null);
            saved = keep;
            return y.view(x.shape).MoveToOuterDisposeScope();
        }
        catch
        {
            keep?.Dispose();
            throw;
        }
    }

    public Tensor? Backward(LayerVersion version, ISavedActivations saved, Tensor dy, Tensor gradient) =>
        Backward((BlockSaved)saved, dy, gradient, estimate: null, baseOnly: false);

    public BaseGradientEstimate? BeginGradientEstimate() =>
        Context.Adapters.Traits.NeedsEstimate(Method) && Linears.Any(static linear => linear.Trains)
            ? new BaseGradientEstimate(Method, Model.Dimensions, Layer)
            : null;

    public Tensor? BackwardEstimate(ISavedActivations saved, Tensor dy, BaseGradientEstimate? estimate)
    {
        var block = (BlockSaved)saved;
        if (estimate is not null && !estimate.Begin(block.Pass.Context.Step, block.Pass.Context.Index)) estimate = null;
        return Backward(block, dy, gradient: null, estimate, baseOnly: true);
    }

    public Tensor ForwardCached(LayerVersion version, Tensor x, KeyValueCache cache)
    {
        using var scope = NewDisposeScope();
        var rows = (int)x.shape[0];
        var pass = new LinearPass(version, default);
        var flat = x.reshape(-1, Model.Dimensions.HiddenSize);
        return Compute(flat, pass, (q, k, v) => attention.ForwardCached(q, k, v, rows, cache), null)
            .view(x.shape)
            .MoveToOuterDisposeScope();
    }

    public override void Dispose()
    {
        attention.Dispose();
        base.Dispose();
    }

    private Tensor Compute(Tensor x, BatchShape batch, LinearPass pass, BlockSaved? saved) =>
        Compute(
            x,
            pass,
            (q, k, v) => attention.Forward(q, k, v, batch.Rows, SequenceMap.Of(batch), RepeatsHeads ? null : saved?.Segments),
            saved
        );

    /// <summary>x <c>[T, hidden]</c> → y <c>[T, hidden]</c>, a new tensor in the caller's scope.</summary>
    private Tensor Compute(Tensor x, LinearPass pass, Func<Tensor, Tensor, Tensor, Tensor> attend, BlockSaved? saved)
    {
        using var scope = NewDisposeScope();
        var (inputStatistics, h) = inputNorm.Forward(pass.Version, x);
        var q = Linears[Q].Forward(pass, h, saved?.Linears[Q]);
        var k = Linears[K].Forward(pass, h, saved?.Linears[K]);
        var v = Linears[V].Forward(pass, h, saved?.Linears[V]);
        h.Dispose();
        var attended = attend(q, k, v); // [T, heads·head_dim]
        q.Dispose();
        k.Dispose();
        v.Dispose();
        var middle = Linears[O].Forward(pass, attended, saved?.Linears[O]).add_(x, One);

        (var middleStatistics, h) = middleNorm.Forward(pass.Version, middle);
        var gate = Linears[Gate].Forward(pass, h, saved?.Linears[Gate]);
        var up = Linears[Up].Forward(pass, h, saved?.Linears[Up]);
        h.Dispose();
        var product = Swiglu.Forward(gate, up); // [T, intermediate]
        var y = Linears[Down].Forward(pass, product, saved?.Linears[Down]).add_(middle, One);
        if (saved is not null)
        {
            saved.InputStatistics = BlockSaved.Keep(inputStatistics);
            saved.Attended = BlockSaved.Keep(attended);
            saved.Middle = BlockSaved.Keep(middle);
            saved.MiddleStatistics = BlockSaved.Keep(middleStatistics);
            if (!Linears[Gate].RepeatsOutput) saved.Gate = BlockSaved.Keep(gate);
            if (!Linears[Up].RepeatsOutput) saved.Up = BlockSaved.Keep(up);
        }

        return y.MoveToOuterDisposeScope();
    }

    /// <summary>Whether queries, keys and values are made again from their base outputs instead of being kept beside them.</summary>
    private bool RepeatsHeads => Linears[Q].RepeatsOutput && Linears[K].RepeatsOutput && Linears[V].RepeatsOutput;

    private List<SegmentHeads> HeadsAgain(BlockSaved saved)
    {
        using var scope = NewDisposeScope();
        var (q, k, v) = (Again(Q), Again(K), Again(V));
        return [.. SequenceMap.Of(saved.Batch).Select(segment => attention.Heads(q, k, v, saved.Batch.Rows, segment).Detached())];

        Tensor Again(int index) => Linears[index].OutputAgain(saved.Pass, saved.Linears[index]);
    }

    private Tensor? Backward(BlockSaved saved, Tensor dy, Tensor? gradient, BaseGradientEstimate? estimate, bool baseOnly)
    {
        using var scope = NewDisposeScope();
        if (!saved.Full)
        {
            Compute(saved.X, saved.Batch, saved.Pass, saved).Dispose();
            saved.Full = true;
        }

        var version = saved.Pass.Version;
        var dRows = dy.reshape(-1, Model.Dimensions.HiddenSize);

        // MLP: y = middle + down(silu(gate) ⊙ up).
        var gate = saved.Gate ?? Linears[Gate].OutputAgain(saved.Pass, saved.Linears[Gate]);
        var up = saved.Up ?? Linears[Up].OutputAgain(saved.Pass, saved.Linears[Up]);
        var product = Swiglu.Forward(gate, up);
        var dProduct = Through(Down, product, dRows, null)!;
        product.Dispose();
        var (dGate, dUp) = Swiglu.Backward(gate, up, dProduct);
        if (saved.Gate is null) gate.Dispose();
        if (saved.Up is null) up.Dispose();
        var h = middleNorm.Apply(version, saved.Middle!, saved.MiddleStatistics!);
        var dh = Through(Gate, h, dGate, null);
        dh = Through(Up, h, dUp, dh)!;
        foreach (var done in new[] { dUp, dProduct, dGate, h }) done.Dispose();
        var dMiddle = middleNorm.Backward(version, dh, saved.Middle!, saved.MiddleStatistics!, gradient, dRows);
        dh.Dispose();

        // Attention: middle = x + o(attend(q, k, v)).
        var dAttended = Through(O, saved.Attended!, dMiddle, null)!;
        var heads = RepeatsHeads ? HeadsAgain(saved) : saved.Segments;
        var (dq, dk, dv) = attention.Backward(heads, saved.Attended!, dAttended, saved.Batch.Rows);
        if (RepeatsHeads) heads.ForEach(static segment => segment.Dispose());
        dAttended.Dispose();
        h = inputNorm.Apply(version, saved.X, saved.InputStatistics!);
        var needsInput = NeedsInputGradient || inputNorm.Trains;
        var dInput = Through(Q, h, dq, null, needsInput);
        dInput = Through(K, h, dk, dInput, needsInput);
        dInput = Through(V, h, dv, dInput, needsInput);
        if (!needsInput) return null;
        var dx = inputNorm.Backward(version, dInput!, saved.X, saved.InputStatistics!, gradient, dMiddle);
        return NeedsInputGradient ? dx.view(dy.shape).MoveToOuterDisposeScope() : null;

        Tensor? Through(int index, Tensor input, Tensor output, Tensor? into, bool needed = true) => baseOnly
            ? Linears[index].BackwardBase(input, output, estimate, into, needed)
            : Linears[index].Backward(saved.Pass, input, saved.Linears[index], output, gradient!, into, needed);
    }
}
