using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Adapters.Lora;
using Peft.Orleans.Kernels.Torch;
using Peft.Orleans.Kernels.Versions;
using Peft.Orleans.Kernels.Weights;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.LoraGa;

/// <summary>
/// The change of weights <c>B A − B0 A0</c> with A0, B0 frozen at the start, so that the model starts as its base. One product of rank 2r,
/// as
/// <c>(B − B0) A + B0 (A − A0)</c>: both terms are exactly zero at step 0, and small updates survive half types.
/// </summary>
internal sealed class LowRankDifference
{
    private readonly LinearSite site;
    private readonly MethodSpec method;
    private readonly ScalarType compute;
    private readonly int rank;
    private readonly long seed;
    private readonly object downKey = new();
    private readonly object upKey = new();
    private ParameterSlot frozenDown = null!;
    private ParameterSlot frozenUp = null!;

    internal LowRankDifference(LinearSite site, ShardContext context)
    {
        this.site = site;
        method = context.Method;
        compute = context.Compute;
        rank = method.Lora.Rank;
        seed = context.Setup.Seed;
        Scale = LoraLinear.Scale(method.Lora);
        if (
            method.LoraGa.Initialization == LoraGaInitialization.Stable
            && method.InitialAdapter is null
            && Math.Min(site.Out, site.In) < 2 * rank
        )
            throw new PeftException(
                $"{site.Name}: method.lora_ga.initialization stable needs min(out, in) = {Math.Min(site.Out, site.In)} ≥ 2 · rank = "
                    + $"{2 * rank}; lower method.lora.rank or choose paper or random"
            );
    }

    /// <summary>s = α/r, or α/√r.</summary>
    internal double Scale { get; }

    /// <summary>A <c>[r, k]</c>.</summary>
    internal ParameterSlot Down { get; private set; } = null!;

    /// <summary>B <c>[d, r]</c>.</summary>
    internal ParameterSlot Up { get; private set; } = null!;

    internal void Declare(LayoutBuilder layout)
    {
        var prefix = site.AdapterPrefix;
        Down = layout.Trainable($"{prefix}.lora_A.weight", [rank, site.In]);
        Up = layout.Trainable($"{prefix}.lora_B.weight", [site.Out, rank]);
        frozenDown = layout.Constant($"{prefix}.lora_A0.weight", [rank, site.In], new SlotOptions { Substitute = Down.Name });
        frozenUp = layout.Constant($"{prefix}.lora_B0.weight", [site.Out, rank], new SlotOptions { Substitute = Up.Name });
    }

    internal void Initialize(LayerVersion version, long seed, BaseGradientEstimate? estimate)
    {
        using var scope = NewDisposeScope();
        var (b, a) =
            !IsRandom && estimate?.Leading(site.Name, LoraGaInitializer.Count(rank, site.Out, site.In)) is { } leading
                ? LoraGaInitializer.Factors(leading, rank, method.LoraGa.Initialization, method.LoraGa.Gamma)
                : (zeros(Up.Shape), RandomDown(seed));
        foreach (
            var (slot, buffer, value) in new[]
            {
                (Down, version.Parameters, a),
                (Up, version.Parameters, b),
                (frozenDown, version.Constants, a),
                (frozenUp, version.Constants, b),
            }
        )
            slot.View(buffer).copy_(value);
    }

    /// <summary>
    /// Adds a sample to the estimate, fp32 <c>x [T, k]</c>, <c>δ [T, d]</c>: of a random start a sketch needs nothing but <c>G A0ᵀ</c>.
    /// </summary>
    internal void Estimate(BaseGradientEstimate estimate, Tensor x, Tensor dy)
    {
        if (estimate.IsSketch && IsRandom)
            estimate.Sum(Up.Name, Up.Shape, dy.device).addmm_(dy.t(), x.mm(RandomDown(seed).to(x.device).t()));
        else
            estimate.Add(site.Name, x, dy);
    }

    /// <summary>Squared norm of the gradients of A and B at the start, from the mean base gradient: <c>‖s Bᵀ G‖² + ‖s G Aᵀ‖²</c>.</summary>
    internal double InitialSquaredNorm(LayerVersion version, BaseGradientEstimate estimate)
    {
        using var scope = NewDisposeScope();
        if (estimate.IsSketch && IsRandom)
            return estimate.Mean(Up.Name) is { } direct
                ? Scale * Scale * direct.to(ScalarType.Float64).Squared().sum().item<double>()
                : 0;
        var (left, right) = estimate.SquaredProducts(site.Name, Up.View(version.Parameters), Down.View(version.Parameters)) ?? (0, 0);
        return Scale * Scale * (left + right);
    }

    /// <summary>The hidden rows <c>[T, 2r]</c> that <see cref="Add"/> and the backward pass need.</summary>
    internal Tensor Hidden(LinearPass pass, Tensor x)
    {
        var input = Mask(pass, x) is { } mask ? x.mul(mask) : x;
        return LowRank.Hidden(input, Downs(pass.Version));
    }

    /// <summary>Adds <paramref name="factor"/> times the change's product to y in place.</summary>
    internal void Add(LinearPass pass, Tensor hidden, Tensor y, double factor) =>
        LowRank.AddProduct(y, hidden, Ups(pass.Version), (float)factor);

    /// <summary><c>x W0ᵀ</c> with <paramref name="factor"/> times the change's product.</summary>
    internal Tensor Product(LinearPass pass, FrozenWeight weight, Tensor x, Tensor hidden, double factor) =>
        LowRank.Product(weight, x, hidden, Ups(pass.Version), (float)factor);

    /// <summary>Adds the gradients of A and B to the flat buffer; returns that of the hidden rows <c>[T, 2r]</c>.</summary>
    internal Tensor Backward(LinearPass pass, Tensor x, Tensor hidden, Tensor dy, Tensor gradient, double factor)
    {
        var dHidden = LowRank.HiddenGradient(dy, Ups(pass.Version), (float)factor);
        LowRank.AddUpGradient(Up.View(gradient), dy, hidden.narrow(1, 0, rank).contiguous(), (float)factor);
        // Bᵀ dy = (B − B0)ᵀ dy + B0ᵀ dy.
        LowRank.AddDownGradient(
            Down.View(gradient),
            dHidden.narrow(1, 0, rank).add(dHidden.narrow(1, rank, rank), One),
            Mask(pass, x) is { } mask ? x.mul(mask) : x
        );
        return dHidden;
    }

    /// <summary>
    /// Adds <c>W0ᵀ</c>'s part of dL/dx, from <paramref name="dz"/>, and the change's, from the gradient of the hidden rows, to
    /// <paramref name="dx"/>, or makes it.
    /// </summary>
    internal Tensor InputGradient(LinearPass pass, FrozenWeight weight, Tensor x, Tensor dz, Tensor? dx, Tensor dHidden) =>
        LowRank.InputGradient(weight, dz, dx, dHidden, Downs(pass.Version), Mask(pass, x));

    /// <summary>Adds <paramref name="factor"/> times the change to an fp32 weight <c>[d, k]</c> in place.</summary>
    internal void AddTo(LayerVersion version, Tensor weight, double factor)
    {
        using var scope = NewDisposeScope();
        var (a, b) = (Down.View(version.Parameters), Up.View(version.Parameters));
        var (a0, b0) = (frozenDown.View(version.Constants), frozenUp.View(version.Constants));
        weight.addmm_(cat([b.sub(b0), b0], 1), cat([a, a.sub(a0)], 0), alpha: (float)factor);
    }

    private bool IsRandom => method.LoraGa.Initialization == LoraGaInitialization.Random;

    private Tensor RandomDown(long run) => SeededRandom.Uniform(run, Down.Name, Down.Shape, 1 / Math.Sqrt(site.In));

    /// <summary><c>[A; A − A0] [2r, k]</c>.</summary>
    private Tensor Downs(LayerVersion version) => version.Derivatives().Tensor(downKey, () =>
    {
        var a = Down.View(version.Parameters);
        return cat([a, a.sub(frozenDown.View(version.Constants))], 0).to(compute);
    });

    /// <summary><c>[B − B0, B0] [d, 2r]</c>.</summary>
    private Tensor Ups(LayerVersion version) => version.Derivatives().Tensor(upKey, () =>
    {
        var b0 = frozenUp.View(version.Constants);
        return cat([Up.View(version.Parameters).sub(b0), b0], 1).to(compute);
    });

    private Tensor? Mask(LinearPass pass, Tensor x) => pass.Dropout(site.Name, x, method.Lora.Dropout);
}
