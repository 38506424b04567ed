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
/// A decoder block, forward and backward written out: attention and an MLP, each behind a norm, with residuals. Which linears make queries,
/// keys and values, and what the MLP does between its own, the deriving block says.
/// </summary>
internal abstract class DecoderBlock : TrainableShard, IBlock
{
    private readonly Norm inputNorm;
    private readonly Norm middleNorm;
    private readonly CausalAttention attention;
    private readonly int output;
    private readonly int down;

    /// <param name="place">Which layer.</param>
    /// <param name="context">What shards need to know.</param>
    /// <param name="inputNorm">Before attention.</param>
    /// <param name="middleNorm">Before the MLP.</param>
    /// <param name="attention">Disposed of with this.</param>
    /// <param name="roles">What its linear modules do, in their order; output and down are two of them.</param>
    /// <param name="others">Base tensors of the deriving block, behind those of the norms.</param>
    [SetsRequiredMembers]
    protected DecoderBlock(
        LayerPlace place,
        ShardContext context,
        Norm inputNorm,
        Norm middleNorm,
        CausalAttention attention,
        LinearRole[] roles,
        IReadOnlyList<BaseTensor>? others = null) : base(place, context)
    {
        if (!Model.Linears(Layer).Select(static site => site.Role).SequenceEqual(roles))
            throw new UnreachableException(
                $"family {Model.Family} has other modules than a {GetType().Name}: {string.Join(", ", Model.Linears(Layer))}"
            );
        (this.inputNorm, this.middleNorm, this.attention) = (inputNorm, middleNorm, attention);
        (output, down) = (Array.IndexOf(roles, LinearRole.Output), Array.IndexOf(roles, LinearRole.Down));
        AdaptLinears();
        Tensors.AddRange([.. inputNorm.Tensors, .. middleNorm.Tensors, .. others ?? []]);
        Seal();
    }

    /// <summary>Whether residuals are the normalised rows, instead of those before the norm.</summary>
    internal bool NormedResidual { get; init; }

    public Tensor Forward(LayerVersion version, Tensor x, BatchShape batch, PassContext pass, bool save, out ISavedActivations? saved)
    {
        using var scope = NewDisposeScope();
        var rows = x.reshape(-1, Model.Dimensions.HiddenSize);
        var linearPass = new LinearPass(version, pass);
        BlockSaved? keep = null;
        if (save)
        {
            // Made again is what output made: its input is kept, nothing else is made from its output, and its weight is small.
            keep = new BlockSaved(BlockSaved.Keep(rows.alias()), batch, linearPass, Linears.Count, productAgain: output)
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
        Backward(new BlockBackward(Linears, (BlockSaved)saved) { Gradient = gradient }, dy);

    public BaseGradientEstimate? BeginGradientEstimate() =>
        Context.Adapters.Traits.NeedsEstimate(Method) && Linears.Any(static linear => linear.Trains)
            ? new BaseGradientEstimate(Method, Model.Dimensions, Layer)
            : null;

    public Tensor? BackwardEstimate(ISavedActivations saved, Tensor dy, BaseGradientEstimate? estimate)
    {
        var block = (BlockSaved)saved;
        if (estimate is not null && !estimate.Begin(block.Pass.Context.Step, block.Pass.Context.Index)) estimate = null;
        return Backward(new BlockBackward(Linears, block) { Estimate = estimate }, dy);
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

    /// <summary>Queries, keys and values of rows h <c>[T, hidden]</c>, as attention takes them. In the caller's scope.</summary>
    protected abstract (Tensor Q, Tensor K, Tensor V) Project(LinearPass pass, Tensor h, BlockSaved? saved);

    /// <summary>The same, bit by bit, from what that saved, where all of these linears repeat their output.</summary>
    protected abstract (Tensor Q, Tensor K, Tensor V) ProjectAgain(BlockSaved saved);

    /// <summary>dL/dh of <see cref="Project"/>; null where it is not needed.</summary>
    protected abstract Tensor? ProjectBackward(BlockBackward pass, Tensor h, (Tensor Q, Tensor K, Tensor V) gradients, bool needsInput);

    /// <summary>What the MLP makes of rows h, before its last linear: <c>[T, intermediate]</c>. In the caller's scope.</summary>
    protected abstract Tensor Widen(LinearPass pass, Tensor h, BlockSaved? saved);

    /// <summary>
    /// dL/dh of the MLP, <paramref name="dy"/> being its result's gradient; <paramref name="h"/> makes the normalised rows again.
    /// </summary>
    protected abstract Tensor MlpBackward(BlockBackward pass, Tensor dy, Func<Tensor> h);

    /// <summary>The output of one linear.</summary>
    protected Tensor Forward(int index, LinearPass pass, Tensor x, BlockSaved? saved) =>
        Linears[index].Forward(pass, x, saved?.Linears[index]);

    /// <summary>The same once more, from what that saved.</summary>
    protected Tensor Again(int index, BlockSaved saved) => Linears[index].OutputAgain(saved.Pass, saved.Linears[index]);

    private Tensor Compute(Tensor x, BatchShape batch, LinearPass pass, BlockSaved? saved) =>
        Compute(
            x,
            pass,
            (q, k, v) => attention.Forward(q, k, v, batch.Rows, attention.Segments(batch), RepeatsHeads ? null : saved?.Segments),
            saved
        );

    /// <summary>x <c>[T, hidden]</c> → y <c>[T, hidden]</c>, a new tensor in the caller's scope.</summary>
    private Tensor Compute(Tensor x, LinearPass pass, Func<Tensor, Tensor, Tensor, Tensor> attend, BlockSaved? saved)
    {
        using var scope = NewDisposeScope();
        var (inputStatistics, h) = inputNorm.Forward(pass.Version, x);
        var (q, k, v) = Project(pass, h, saved);
        if (!NormedResidual) h.Dispose();
        var attended = attend(q, k, v); // [T, heads·head_dim]
        foreach (var made in new[] { q, k, v }) made.Dispose();
        var middle = Forward(output, pass, attended, saved).add_(NormedResidual ? h : x, One);

        (var middleStatistics, h) = middleNorm.Forward(pass.Version, middle);
        var product = Widen(pass, h, saved); // [T, intermediate]
        if (!NormedResidual) h.Dispose();
        var y = Forward(down, pass, product, saved).add_(NormedResidual ? h : middle, One);
        if (saved is not null)
        {
            saved.InputStatistics = BlockSaved.Keep(inputStatistics);
            saved.Attended = BlockSaved.Keep(attended);
            saved.Middle = BlockSaved.Keep(middle);
            saved.MiddleStatistics = BlockSaved.Keep(middleStatistics);
        }

        return y.MoveToOuterDisposeScope();
    }

    /// <summary>Whether queries, keys and values are made again from their base outputs instead of being kept beside them.</summary>
    private bool RepeatsHeads => Linears.Take(output).All(static linear => linear.RepeatsOutput);

    private List<SegmentHeads> HeadsAgain(BlockSaved saved)
    {
        using var scope = NewDisposeScope();
        var (q, k, v) = ProjectAgain(saved);
        return [.. attention.Segments(saved.Batch).Select(segment => attention.Heads(q, k, v, saved.Batch.Rows, segment).Detached())];
    }

    private Tensor? Backward(BlockBackward pass, Tensor dy)
    {
        using var scope = NewDisposeScope();
        var saved = pass.Saved;
        if (!saved.Full)
        {
            Compute(saved.X, saved.Batch, saved.Pass, saved).Dispose();
            saved.Full = true;
        }

        var version = saved.Pass.Version;
        var dRows = dy.reshape(-1, Model.Dimensions.HiddenSize);

        // MLP: y = middle + mlp(norm(middle)), or norm(middle) + mlp(norm(middle)).
        var dh = MlpBackward(pass, dRows, () => middleNorm.Apply(version, saved.Middle!, saved.MiddleStatistics!));
        if (NormedResidual) dh.add_(dRows, One);
        var residual = NormedResidual ? null : dRows;
        var dMiddle = middleNorm.Backward(version, dh, saved.Middle!, saved.MiddleStatistics!, pass.Gradient, residual);
        dh.Dispose();

        // Attention: middle = x + o(attend(q, k, v)), or norm(x) + o(attend(q, k, v)).
        var dAttended = pass.Through(output, saved.Attended!, dMiddle, null)!;
        var heads = RepeatsHeads ? HeadsAgain(saved) : saved.Segments;
        var gradients = attention.Backward(heads, saved.Attended!, dAttended, saved.Batch.Rows);
        if (RepeatsHeads) heads.ForEach(static segment => segment.Dispose());
        dAttended.Dispose();
        var h = inputNorm.Apply(version, saved.X, saved.InputStatistics!);
        var needsInput = NeedsInputGradient || inputNorm.Trains;
        var dInput = ProjectBackward(pass, h, gradients, needsInput);
        if (!needsInput) return null;
        if (NormedResidual) dInput!.add_(dMiddle, One);
        residual = NormedResidual ? null : dMiddle;
        var dx = inputNorm.Backward(version, dInput!, saved.X, saved.InputStatistics!, pass.Gradient, residual);
        return NeedsInputGradient ? dx.view(dy.shape).MoveToOuterDisposeScope() : null;
    }
}
