using Peft.Orleans.Core.Methods;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Adapters.Lora;
using Peft.Orleans.Kernels.Torch;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.Dora;

/// <summary>
/// DoRA: <c>y = g ⊙ (W0 x + s B A x) + bias</c>, <c>g = m / ‖W0 + s B A‖_row</c>, the row norm detached from the gradient. The norm comes
/// from
/// <c>‖W0‖² + 2s ⟨B, W0 Aᵀ⟩ + s² ⟨B A Aᵀ, B⟩</c>, row by row: the change of weights is never formed.
/// </summary>
internal sealed class DoraLinear : FrozenBaseLinear
{
    private const long RowsAtOnce = 4096;

    private readonly LoraSpec options;
    private readonly float scale;
    private readonly Tensor squaredBase; // ‖W0‖²_row [d]
    private readonly object normKey = new();
    private readonly object gainKey = new();
    private ParameterSlot down = null!;
    private ParameterSlot up = null!;
    private ParameterSlot magnitude = null!;

    internal DoraLinear(LinearSite site, ShardContext context) : base(site, context)
    {
        options = context.Method.Lora;
        scale = (float)LoraLinear.Scale(options);
        using var scope = NewDisposeScope();
        squaredBase = ByRows(static rows => rows.Squared().sum(1)).DetachFromDisposeScope();
    }

    internal override bool Trains => true;

    internal override long BaseBytes => base.BaseBytes + (4 * Site.Out);

    internal override void Declare(LayoutBuilder layout)
    {
        down = layout.Trainable($"{Site.AdapterPrefix}.lora_A.weight", [options.Rank, Site.In]);
        up = layout.Trainable($"{Site.AdapterPrefix}.lora_B.weight", [Site.Out, options.Rank]);
        magnitude = layout.Trainable($"{Site.AdapterPrefix}.lora_magnitude_vector", [Site.Out]);
    }

    internal override Tensor Forward(LinearPass pass, Tensor x, LinearSaved? saved)
    {
        var input = Mask(pass, x) is { } mask ? x.mul(mask) : x;
        var hidden = LowRank.Hidden(input, pass.Version.Value(down, Compute)); // [T, r]
        var z = LowRank.Product(Weight, x, hidden, pass.Version.Value(up, Compute), scale);
        var y = z.addcmul(z, Gain(pass.Version), Held(1));
        if (saved is null)
        {
            z.Dispose();
            return AddBias(y);
        }

        saved.Hidden = hidden.DetachFromDisposeScope();
        saved.BaseOutput = z.DetachFromDisposeScope();
        return AddBias(y);
    }

    internal override Tensor? Backward(
        LinearPass pass,
        Tensor x,
        LinearSaved saved,
        Tensor dy,
        Tensor gradient,
        Tensor? dx,
        bool needsInput
    )
    {
        var version = pass.Version;
        magnitude.View(gradient).add_(dy.mul(saved.BaseOutput!).sum(0, type: ScalarType.Float32).div_(Norm(version)), One);
        var dz = dy.addcmul(dy, Gain(version), Held(1));
        var mask = Mask(pass, x);
        var dHidden = LowRank.HiddenGradient(dz, version.Value(up, Compute), scale); // [T, r]
        LowRank.AddUpGradient(up.View(gradient), dz, saved.Hidden!, scale);
        LowRank.AddDownGradient(down.View(gradient), dHidden, mask is null ? x : x.mul(mask));
        return needsInput ? LowRank.InputGradient(Weight, dz, dx, dHidden, version.Value(down, Compute), mask) : dx;
    }

    internal override void Initialize(LayerVersion version, long seed, BaseGradientEstimate? estimate)
    {
        using var scope = NewDisposeScope();
        down.View(version.Parameters).copy_(SeededRandom.Uniform(seed, down.Name, down.Shape, 1 / Math.Sqrt(Site.In)));
        up.View(version.Parameters).zero_();
        magnitude.View(version.Parameters).copy_(squaredBase.sqrt());
    }

    internal override Tensor Merged(LayerVersion version)
    {
        using var scope = NewDisposeScope();
        var merged = Weight.Held.to(ScalarType.Float32, copy: true);
        merged.addmm_(up.View(version.Parameters), down.View(version.Parameters), alpha: scale);
        return merged.mul_(magnitude.View(version.Parameters).div(Norm(version)).unsqueeze(1)).MoveToOuterDisposeScope();
    }

    public override void Dispose()
    {
        squaredBase.Dispose();
        base.Dispose();
    }

    /// <summary>‖W0 + s B A‖_row <c>[d]</c>, fp32.</summary>
    private Tensor Norm(LayerVersion version) => version.Derivatives().Tensor(normKey, () =>
    {
        var (a, b) = (down.View(version.Parameters), up.View(version.Parameters));
        var mixed = ByRows(rows => rows.mm(a.t())); // W0 Aᵀ [d, r]
        var cross = b.mul(mixed).sum(1).mul_(Held(2 * scale));
        var own = b.mm(a.mm(a.t())).mul_(b).sum(1).mul_(Held(scale * scale));
        return squaredBase.add(cross, One).add_(own, One).clamp_min_(Held(1e-30)).sqrt_();
    });

    /// <summary>g − 1 <c>[d]</c>: apart from 1 small gains survive half types, and the start is the base bit by bit.</summary>
    private Tensor Gain(LayerVersion version) => version.Derivatives().Tensor(gainKey, () =>
        magnitude.View(version.Parameters).div(Norm(version)).sub_(Held(1)).to(Compute));

    /// <summary>A function of some rows of W0 in fp32, over all rows.</summary>
    private Tensor ByRows(Func<Tensor, Tensor> of)
    {
        var parts = new List<Tensor>();
        for (var row = 0L; row < Site.Out; row += RowsAtOnce)
        {
            using var scope = NewDisposeScope();
            parts.Add(
                of(Weight.Held.narrow(0, row, Math.Min(RowsAtOnce, Site.Out - row)).to(ScalarType.Float32)).MoveToOuterDisposeScope()
            );
        }

        return parts.Count == 1 ? parts[0] : cat(parts, 0);
    }

    private Tensor? Mask(LinearPass pass, Tensor x) => pass.Dropout(Site.Name, x, options.Dropout);
}
