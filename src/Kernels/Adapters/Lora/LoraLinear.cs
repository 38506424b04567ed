using Peft.Orleans.Core.Methods;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Torch;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.Lora;

/// <summary>LoRA (Eq. 1): <c>y = W0 x + s B A x + bias</c>, s = α/r or, rank-stabilised, α/√r.</summary>
internal sealed class LoraLinear : FrozenBaseLinear
{
    private readonly LoraSpec options;
    private readonly float scale;
    private readonly double largestChange; // c ‖W0‖_F
    private ParameterSlot down = null!;
    private ParameterSlot up = null!;

    internal LoraLinear(LinearSite site, ShardContext context) : base(site, context)
    {
        options = context.Method.Lora;
        scale = (float)Scale(options);
        if (options.MaxDeltaRatio is { } ratio) largestChange = ratio * BaseNorm();
    }

    internal override bool Trains => true;

    internal static double Scale(LoraSpec options) => options.Alpha / (options.Rslora ? Math.Sqrt(options.Rank) : options.Rank);

    internal override void Declare(LayoutBuilder layout)
    {
        down = layout.Trainable($"{Site.AdapterPrefix}.lora_A.weight", [options.Rank, Site.In]);
        up = layout.Trainable($"{Site.AdapterPrefix}.lora_B.weight", [Site.Out, options.Rank]);
    }

    internal override Tensor Forward(LinearPass pass, Tensor x, LinearSaved? saved)
    {
        var input = Mask(pass, x) is { } mask ? x.mul(mask) : x;
        var hidden = LowRank.Hidden(input, pass.Version.Value(down, Compute)); // [T, r]
        var y = LowRank.Product(Weight, x, hidden, pass.Version.Value(up, Compute), scale);
        if (saved is not null) saved.Hidden = hidden.DetachFromDisposeScope();
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
        var mask = Mask(pass, x);
        var dHidden = LowRank.HiddenGradient(dy, pass.Version.Value(up, Compute), scale); // [T, r]
        LowRank.AddUpGradient(up.View(gradient), dy, saved.Hidden!, scale);
        LowRank.AddDownGradient(down.View(gradient), dHidden, mask is null ? x : x.mul(mask));
        return needsInput ? LowRank.InputGradient(Weight, dy, dx, dHidden, pass.Version.Value(down, Compute), mask) : dx;
    }

    internal override void Initialize(LayerVersion version, long seed, BaseGradientEstimate? estimate)
    {
        using var scope = NewDisposeScope();
        // Kaiming-uniform with a = √5: bound 1/√in. B is zero, so the model starts as its base.
        down.View(version.Parameters).copy_(SeededRandom.Uniform(seed, down.Name, down.Shape, 1 / Math.Sqrt(Site.In)));
        up.View(version.Parameters).zero_();
    }

    internal override void AfterStep(LayerVersion current, LayerVersion next, Tensor gradient, OptimizerStep step)
    {
        if (options.MaxDeltaRatio is null) return;
        using var scope = NewDisposeScope();
        var (a, b) = (down.View(next.Parameters), up.View(next.Parameters));
        var change = scale * ProductNorm(a, b);
        if (change <= largestChange) return;
        // Eq. 2: both factors shrink alike.
        var factor = Math.Sqrt(largestChange / change);
        a.mul_(Held(factor));
        b.mul_(Held(factor));
    }

    internal override Tensor Merged(LayerVersion version)
    {
        var merged = Weight.Held.to(ScalarType.Float32, copy: true);
        return merged.addmm_(up.View(version.Parameters), down.View(version.Parameters), alpha: scale);
    }

    /// <summary><c>‖B A‖_F = √tr((BᵀB)(AAᵀ))</c>, O(r²(d + k)), in float64.</summary>
    internal static double ProductNorm(Tensor a, Tensor b)
    {
        using var scope = NewDisposeScope();
        var (a64, b64) = (a.to(ScalarType.Float64), b.to(ScalarType.Float64));
        return Math.Sqrt(Math.Max(0, b64.t().mm(b64).mul_(a64.mm(a64.t())).sum().item<double>()));
    }

    private double BaseNorm()
    {
        const long RowsAtOnce = 4096;
        var squared = 0.0;
        for (var row = 0L; row < Site.Out; row += RowsAtOnce)
        {
            using var scope = NewDisposeScope();
            squared += Weight
                .Held.narrow(0, row, Math.Min(RowsAtOnce, Site.Out - row))
                .to(ScalarType.Float64)
                .Squared()
                .sum()
                .item<double>();
        }

        return Math.Sqrt(squared);
    }

    private Tensor? Mask(LinearPass pass, Tensor x) => pass.Dropout(Site.Name, x, options.Dropout);
}
