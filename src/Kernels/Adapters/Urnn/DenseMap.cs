using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.Urnn;

/// <summary>
/// Blocks of U(b) on C^(n/2), identity at step 0, updated on the group (Eq. 11-12). With optimizer sgd the exponential takes the gradient,
/// as the paper has it; with adamw it takes AdamW's direction m̂ / (√v̂ + ε), so that learning rates mean what they mean for other methods.
/// Weight decay does not apply: it would leave the group.
/// </summary>
internal sealed class DenseMap(LinearSite site, ModelSetup setup) : UnitaryMap
{
    private static long allRenormalizations;

    private readonly OptimizerSpec optimizer = setup.Optimizer;
    private readonly long block = setup.Method.Urnn.BlockSize;
    private readonly object ownKey = new();
    private readonly object exactKey = new();
    private ParameterSlot slot = null!;

    /// <summary>How often a module's blocks were brought back to the group in this process.</summary>
    internal static long AllRenormalizations => Interlocked.Read(ref allRenormalizations);

    /// <summary>How often its own were.</summary>
    internal int Renormalizations { get; private set; }

    private long Count => site.In / 2 / block;

    internal override void Declare(LayoutBuilder layout) =>
        slot = layout.Trainable($"{site.AdapterPrefix}.urnn_U", [Count, block, block, 2]);

    internal override void Initialize(LayerVersion version, long seed)
    {
        using var scope = NewDisposeScope();
        var view = slot.View(version.Parameters);
        view.zero_();
        view.select(3, 0).copy_(eye(block, -1, ScalarType.Float32, view.device));
    }

    internal override Tensor Map(LayerVersion version, Tensor x)
    {
        using var scope = NewDisposeScope();
        var y = x.clone();
        // x + (R − I)x: exactly x at step 0, and small rotations survive half types.
        Grouped(y).add_(Grouped(x).contiguous().bmm(Deviation(version, x.dtype).transpose(1, 2)), One);
        return y.MoveToOuterDisposeScope();
    }

    internal override Tensor? Backward(LayerVersion version, Tensor x, Tensor mapped, Tensor dMapped, Tensor gradient, bool needsInput)
    {
        using var scope = NewDisposeScope();
        var dy = Grouped(dMapped).contiguous(); // [D, T, 2b]
        var dReal = dy.transpose(1, 2).bmm(Grouped(x).contiguous()).to(ScalarType.Float32).view(Count, block, 2, block, 2);
        Tensor Part(long row, long column) => dReal.select(2, row).select(-1, column); // [D, b, b]
        var g = slot.View(gradient);
        g.select(3, 0).add_(Part(0, 0), One).add_(Part(1, 1), One);
        g.select(3, 1).add_(Part(1, 0), One).sub_(Part(0, 1));
        if (!needsInput) return null;
        var dx = dMapped.clone();
        Grouped(dx).add_(dy.bmm(Deviation(version, dy.dtype)), One);
        return dx.MoveToOuterDisposeScope();
    }

    internal override Tensor Merge(LayerVersion version, Tensor rows)
    {
        using var scope = NewDisposeScope();
        var merged = rows.clone();
        Grouped(merged).add_(Grouped(rows).contiguous().bmm(Deviation(version, ScalarType.Float32)), One);
        return merged.MoveToOuterDisposeScope();
    }

    internal override double? UnitarityError(LayerVersion version)
    {
        using var scope = NewDisposeScope();
        return UnitaryBlocks.Error(view_as_complex(slot.View(version.Parameters)));
    }

    internal override void AfterStep(LayerVersion current, LayerVersion next, Tensor gradient, OptimizerStep step)
    {
        using var scope = NewDisposeScope();
        var u = UnitaryBlocks.Step(
            view_as_complex(slot.View(current.Parameters)),
            view_as_complex(Direction(next, gradient, step)),
            step.Rates[(int)slot.Options.Group]
        );
        if (UnitaryBlocks.Drift(u) > UnitaryBlocks.Tolerance)
        {
            u = UnitaryBlocks.Renormalize(u);
            Renormalizations++;
            Interlocked.Increment(ref allRenormalizations);
        }

        slot.View(next.Parameters).copy_(view_as_real(u));
    }

    private Tensor Direction(LayerVersion next, Tensor gradient, OptimizerStep step)
    {
        if (optimizer.Name == OptimizerName.Sgd) return slot.View(gradient).mul(Held((float)step.Clip));
        var first = slot.View(next.FirstMoment).div(Held(1 - Math.Pow(optimizer.Betas[0], step.Step)));
        var second = slot.View(next.SecondMoment).div(Held(1 - Math.Pow(optimizer.Betas[1], step.Step)));
        return first.div_(second.sqrt_().add_(Held(optimizer.Eps), One));
    }

    /// <summary><c>R − I</c> <c>[D, 2b, 2b]</c>: each complex entry a + bi is the block [[a, −b], [b, a]].</summary>
    private Tensor Deviation(LayerVersion version, ScalarType type) =>
        version
            .Derivatives()
            .Tensor(type == ScalarType.Float32 ? exactKey : ownKey, () =>
            {
                var u = slot.View(version.Parameters);
                var (re, im) = (u.select(3, 0), u.select(3, 1)); // [D, b, b]
                var top = stack([re, im.neg()], -1); // [D, b, b, 2]
                var bottom = stack([im, re], -1);
                var real = stack([top, bottom], 2).view(Count, 2 * block, 2 * block); // [D, b, 2, b, 2]
                return real.sub(eye(2 * block, -1, ScalarType.Float32, u.device)).to(type);
            });

    /// <summary><c>[T, n]</c> as <c>[D, T, 2b]</c>, a view.</summary>
    private Tensor Grouped(Tensor rows) => rows.view(rows.shape[0], Count, 2 * block).transpose(0, 1);
}
