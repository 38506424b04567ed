using System.Diagnostics;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.Boft;

/// <summary>
/// How b × b blocks are kept orthogonal: what trains, the blocks it stands for, and its gradient from theirs. Batches are <c>[count, b,
/// b]</c>, fp32.
/// </summary>
internal abstract class OrthogonalBlocks(int block, Device device) : IDisposable
{
    protected int Block => block;

    protected Tensor Identity { get; } = Eye(block, device);

    /// <summary>Shape of one block's parameters.</summary>
    internal abstract long[] ParameterShape { get; }

    internal static OrthogonalBlocks Of(BoftSpec options, Device device) => options.Parameterization switch
    {
        BoftParameterization.Cayley => new CayleyBlocks(options.BlockSize, options.Eta, device),
        BoftParameterization.Projection => new ProjectedBlocks(options.BlockSize, device),
        _ => throw new UnreachableException(),
    };

    /// <summary>Writes identity blocks.</summary>
    internal abstract void Start(Tensor parameters);

    /// <summary>The blocks C, and what the gradient needs besides; both new, in the caller's scope.</summary>
    internal abstract (Tensor Blocks, Tensor? Inverse) Compose(Tensor parameters);

    /// <summary>The parameters' gradient from dL/dC, as <c>[count, …]</c>.</summary>
    internal abstract Tensor Gradient(Tensor? inverse, Tensor dBlocks);

    /// <summary>Brings parameters back to the orthogonal group after an optimizer step, in place.</summary>
    internal virtual void AfterStep(string module, Tensor parameters)
    {
    }

    /// <summary><c>max |CᵀC − I|</c>.</summary>
    internal double OrthogonalityError(Tensor blocks)
    {
        using var scope = NewDisposeScope();
        return blocks.transpose(1, 2).bmm(blocks).sub_(Identity.to(blocks.dtype)).abs().max().to(ScalarType.Float64).item<double>();
    }

    public virtual void Dispose() => Identity.Dispose();

    private static Tensor Eye(int block, Device device)
    {
        using var scope = NewDisposeScope();
        return eye(block, -1, ScalarType.Float32, device).DetachFromDisposeScope();
    }
}

/// <summary>Eq. 3-4: <c>C = (I + ηQ)(I − ηQ)⁻¹</c> from the strictly upper triangle θ of the skew Q, row by row.</summary>
internal sealed class CayleyBlocks : OrthogonalBlocks
{
    private readonly double eta;
    private readonly Tensor upper;
    private readonly Tensor lower;

    internal CayleyBlocks(int block, double eta, Device device) : base(block, device)
    {
        this.eta = eta;
        using var scope = NewDisposeScope();
        var pairs = (from i in Enumerable.Range(0, block) from j in Enumerable.Range(i + 1, block - i - 1) select (i, j)).ToArray();
        upper = tensor(pairs.Select(pair => (long)((pair.i * block) + pair.j)).ToArray(), int64, device: device).DetachFromDisposeScope();
        lower = tensor(pairs.Select(pair => (long)((pair.j * block) + pair.i)).ToArray(), int64, device: device).DetachFromDisposeScope();
    }

    internal override long[] ParameterShape => [upper.numel()];

    internal double Eta => eta;

    internal override void Start(Tensor parameters) => parameters.zero_();

    internal override (Tensor Blocks, Tensor? Inverse) Compose(Tensor parameters)
    {
        using var scope = NewDisposeScope();
        // C = 2Z − I with Z = (I − ηQ)⁻¹.
        var z = linalg.inv(Identity.sub(Skew(parameters, eta))).contiguous();
        return (z.mul(Held(2)).sub_(Identity).MoveToOuterDisposeScope(), z.MoveToOuterDisposeScope());
    }

    internal override Tensor Gradient(Tensor? inverse, Tensor dBlocks)
    {
        using var scope = NewDisposeScope();
        // dC = 2η Z dQ Z, hence dL/dQ = 2η Zᵀ (dL/dC) Zᵀ.
        var zt = inverse!.transpose(1, 2);
        var dq = zt.bmm(dBlocks).bmm(zt).mul_(Held(2 * eta)).view(-1, Block * Block);
        return dq.index_select(1, upper).sub_(dq.index_select(1, lower)).MoveToOuterDisposeScope();
    }

    /// <summary>PEFT's form: the skew <c>K = −ηQ</c>, <c>[…, b, b]</c>, for which <c>C = (I − K)(I + K)⁻¹</c>.</summary>
    internal Tensor ToSkew(Tensor theta)
    {
        using var scope = NewDisposeScope();
        return Skew(theta, -eta).view([.. theta.shape[..^1], Block, Block]).MoveToOuterDisposeScope();
    }

    /// <summary>θ of PEFT's unconstrained R, of which <c>K = ½(R − Rᵀ)</c> is the skew part.</summary>
    internal Tensor FromUnconstrained(Tensor r)
    {
        using var scope = NewDisposeScope();
        var flat = r.reshape(-1, Block * Block);
        var k = flat.index_select(1, upper.to(r.device)).sub_(flat.index_select(1, lower.to(r.device))).mul_(Held(0.5));
        return k.div_(Held(-eta)).view([.. r.shape[..^2], upper.numel()]).MoveToOuterDisposeScope();
    }

    public override void Dispose()
    {
        upper.Dispose();
        lower.Dispose();
        base.Dispose();
    }

    /// <summary>factor · Q <c>[count, b, b]</c>.</summary>
    private Tensor Skew(Tensor theta, double factor)
    {
        var flat = theta.reshape(-1, upper.numel()).mul(Held(factor));
        var q = zeros([flat.shape[0], Block * Block], ScalarType.Float32, flat.device);
        q.index_copy_(1, upper, flat);
        q.index_copy_(1, lower, flat.neg());
        return q.view(-1, Block, Block);
    }
}

/// <summary>
/// Eq. 5-6 to the letter: the blocks themselves take the gradient step, then each is projected onto the orthogonal group.
/// </summary>
internal sealed class ProjectedBlocks(int block, Device device) : OrthogonalBlocks(block, device)
{
    internal override long[] ParameterShape => [Block, Block];

    internal override void Start(Tensor parameters) => parameters.copy_(Identity.expand(parameters.shape));

    internal override (Tensor Blocks, Tensor? Inverse) Compose(Tensor parameters) => (parameters.reshape(-1, Block, Block).clone(), null);

    internal override Tensor Gradient(Tensor? inverse, Tensor dBlocks) => dBlocks.alias();

    internal override void AfterStep(string module, Tensor parameters)
    {
        using var scope = NewDisposeScope();
        var flat = parameters.reshape(-1, Block, Block);
        parameters.copy_(Project(module, flat).view(parameters.shape));
    }

    /// <summary>The orthogonal polar factor of each block, by Newton–Schulz <c>X ← ½ X (3I − XᵀX)</c> in float64.</summary>
    /// <exception cref="PeftException">A block is singular: it has no nearest rotation.</exception>
    internal Tensor Project(string module, Tensor blocks)
    {
        const double Tolerance = 1e-9;
        using var scope = NewDisposeScope();
        var x = blocks.to(ScalarType.Float64);
        var error = OrthogonalityError(x);
        // The iteration converges where ‖X‖₂ < √3; the factor does not depend on the scale, and √(‖X‖₁ ‖X‖_∞) bounds ‖X‖₂.
        if (error > 0.5) x = x.div(x.abs().sum(1).amax([1]).mul(x.abs().sum(2).amax([1])).sqrt().view(-1, 1, 1));
        for (var i = 0; i < 60; i++)
        {
            error = OrthogonalityError(x);
            if (error <= Tolerance || !double.IsFinite(error)) break;
            x = x.mul(Held(1.5)).sub_(x.bmm(x.transpose(1, 2).bmm(x)).mul_(Held(0.5)));
        }

        // What is not finite is the step's own failure and is told as such.
        return error <= Tolerance || blocks.isfinite().all().item<bool>() is false
            ? x.to(blocks.dtype).MoveToOuterDisposeScope()
            : throw new PeftException(
                $"{module}: the optimizer step made a butterfly block singular, so that no rotation is nearest to it; lower "
                    + "training.optimizer.learning_rate"
            );
    }
}
