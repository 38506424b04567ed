using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Kernels.Adapters.Boft;
using Peft.Orleans.Kernels.Adapters.Lora;
using Peft.Orleans.Kernels.Adapters.LoraGa;
using Peft.Orleans.Kernels.Shards;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.Hybrid;

/// <summary>
/// Hybrid (Alg. 2) with one base product: <c>z = W0 x</c>, <c>y = z + λ s (BA − B0A0) x + (1−λ)(R − I) z + bias</c>. The low-rank part is one
/// product of rank 2r over <c>[A; A0]</c>; R − I is block-diagonal and held apart from I, so that small rotations survive half types.
/// </summary>
internal sealed class HybridLinear : FrozenBaseLinear
{
    private readonly MethodSpec method;
    private readonly double scale;
    private readonly int rank;
    private readonly int lambdaIndex;
    private readonly ButterflyRotation rotation;
    private readonly object downKey = new();
    private readonly object upKey = new();
    private readonly object deviationKey = new();
    private readonly object composedKey = new();
    private ParameterSlot down = null!;
    private ParameterSlot up = null!;
    private ParameterSlot theta = null!;
    private ParameterSlot frozenDown = null!;
    private ParameterSlot frozenUp = null!;

    internal HybridLinear(LinearSite site, ShardContext context, int lambdaIndex) : base(site, context)
    {
        method = context.Spec.Method;
        rank = method.Lora.Rank;
        scale = LoraLinear.Scale(method.Lora);
        this.lambdaIndex = lambdaIndex;
        if (method.LoraGa.Initialization == LoraGaInitialization.Stable && method.InitialAdapter is null && Math.Min(site.Out, site.In) < 2 * rank)
            throw new PeftException($"{site.Name}: method.lora_ga.initialization stable needs min(out, in) = {Math.Min(site.Out, site.In)} ≥ 2 · rank = {2 * rank}; lower method.lora.rank or choose paper or random");
        rotation = new ButterflyRotation(site.Name, site.Out, method.Boft.BlockSize, method.Boft.ButterflyFactors, method.Boft.Eta, context.Device);
    }

    internal override bool Trains => true;

    /// <summary>The low-rank tensors and the rotation angles, for the norms that mix λ.</summary>
    internal (ParameterSlot Down, ParameterSlot Up, ParameterSlot Theta) Slots => (down, up, theta);

    internal int LambdaIndex => lambdaIndex;

    internal override void Declare(LayoutBuilder layout)
    {
        var prefix = Site.AdapterPrefix;
        down = layout.Trainable($"{prefix}.lora_A.weight", [rank, Site.In]);
        up = layout.Trainable($"{prefix}.lora_B.weight", [Site.Out, rank]);
        theta = layout.Trainable($"{prefix}.boft_theta", rotation.ThetaShape, ParameterGroup.Rotation);
        frozenDown = layout.Constant($"{prefix}.lora_A0.weight", [rank, Site.In]);
        frozenUp = layout.Constant($"{prefix}.lora_B0.weight", [Site.Out, rank]);
    }

    internal override Tensor Forward(LinearPass pass, Tensor x, LinearSaved? saved)
    {
        var version = pass.Version;
        var z = Weight.Product(x); // [T, d]
        var input = Mask(pass, x) is { } mask ? x.mul(mask) : x;
        var hidden = input.mm(Down(version).t()); // [T, 2r]
        var y = z.addmm(hidden, Up(version).t());
        // A strided batch is multiplied several times slower than it is copied.
        var grouped = Grouped(z).contiguous(); // [groups, T, S]
        z.Dispose();
        Grouped(y).add_(grouped.bmm(Deviation(version).transpose(1, 2)));
        if (saved is not null)
        {
            saved.Hidden = hidden.DetachFromDisposeScope();
            saved.BaseOutput = grouped.DetachFromDisposeScope();
        }

        return AddBias(y);
    }

    internal override Tensor? Backward(LinearPass pass, Tensor x, LinearSaved saved, Tensor dy, Tensor gradient, Tensor? dx, bool needsInput)
    {
        var version = pass.Version;
        var lambda = version.Lambda[lambdaIndex];
        var mask = Mask(pass, x);
        var dHidden = dy.mm(Up(version)); // [T, 2r], factor λ s inside
        LoraLinear.Accumulate(up.View(gradient), dy, saved.Hidden!.narrow(1, 0, rank), (float)(lambda * scale));
        LoraLinear.Accumulate(down.View(gradient), dHidden.narrow(1, 0, rank), mask is null ? x : x.mul(mask), 1);

        var dyGroups = Grouped(dy).contiguous(); // [groups, T, S]
        var dDeviation = dyGroups.transpose(1, 2).bmm(saved.BaseOutput!).to(ScalarType.Float32);
        theta.View(gradient).add_(rotation.Gradient(Composed(version), dDeviation.mul_(1 - lambda)));
        if (!needsInput) return dx;

        var dz = dy.clone();
        Grouped(dz).add_(dyGroups.bmm(Deviation(version)));
        dx = Weight.InputGradient(dz, dx);
        return mask is null ? dx.addmm_(dHidden, Down(version)) : dx.add_(dHidden.mm(Down(version)).mul_(mask));
    }

    internal override void Initialize(LayerVersion version, long seed, BaseGradientEstimate? estimate)
    {
        using var scope = NewDisposeScope();
        var (b, a) = estimate?.Mean(Site.Name) is { } mean && method.LoraGa.Initialization != LoraGaInitialization.Random
            ? LoraGaInitializer.Factors(mean, rank, method.LoraGa.Initialization, method.LoraGa.Gamma)
            : (zeros(up.Shape), SeededRandom.Uniform(seed, down.Name, down.Shape, 1 / Math.Sqrt(Site.In)));
        foreach (var (slot, buffer, value) in new[]
                 {
                     (down, version.Parameters, a), (up, version.Parameters, b), (frozenDown, version.Constants, a), (frozenUp, version.Constants, b),
                 })
            slot.View(buffer).copy_(value);
        theta.View(version.Parameters).zero_();
    }

    /// <summary>Squared norms of the unmixed gradients at the start, from the mean base gradient: of A and B, and of θ at R = I.</summary>
    internal (double Lora, double Rotation) InitialNorms(LayerVersion version, BaseGradientEstimate estimate)
    {
        using var scope = NewDisposeScope();
        if (estimate.Mean(Site.Name) is not { } g) return (0, 0);
        var da = up.View(version.Parameters).t().mm(g).mul_(scale);
        var db = g.mm(down.View(version.Parameters).t()).mul_(scale);
        var lora = FixedOrder.SquaredNorm(da.view(-1), 0, da.numel()) + FixedOrder.SquaredNorm(db.view(-1), 0, db.numel());
        // dL/dR = G W0ᵀ; only its diagonal blocks matter.
        var size = rotation.GroupSize;
        var base32 = Weight.Held.to(ScalarType.Float32).view(-1, size, Site.In);
        var dr = g.view(-1, size, Site.In).bmm(base32.transpose(1, 2));
        using var identity = rotation.Compose(zeros(rotation.ThetaShape, ScalarType.Float32, g.device));
        var dTheta = rotation.Gradient(identity, dr);
        return (lora, FixedOrder.SquaredNorm(dTheta.view(-1), 0, dTheta.numel()));
    }

    internal override Tensor Merged(LayerVersion version)
    {
        using var scope = NewDisposeScope();
        var lambda = version.Lambda[lambdaIndex];
        var w = Weight.Held.to(ScalarType.Float32, copy: true);
        var size = rotation.GroupSize;
        var rotated = Composed(version).Blocks.bmm(w.view(-1, size, Site.In)).view(Site.Out, Site.In).sub_(w);
        var factor = (float)(lambda * scale);
        w.add_(rotated.mul_(1 - lambda));
        w.addmm_(up.View(version.Parameters), down.View(version.Parameters), alpha: factor);
        w.addmm_(frozenUp.View(version.Constants), frozenDown.View(version.Constants), alpha: -factor);
        return w.MoveToOuterDisposeScope();
    }

    public override void Dispose()
    {
        rotation.Dispose();
        base.Dispose();
    }

    /// <summary><c>[A; A0] [2r, k]</c>.</summary>
    private Tensor Down(LayerVersion version) => version.Derivatives().Tensor(downKey, () =>
        cat([down.View(version.Parameters), frozenDown.View(version.Constants)], 0).to(Compute));

    /// <summary><c>λ s [B, −B0] [d, 2r]</c>.</summary>
    private Tensor Up(LayerVersion version) => version.Derivatives().Tensor(upKey, () =>
        cat([up.View(version.Parameters), frozenUp.View(version.Constants).neg()], 1).mul_(version.Lambda[lambdaIndex] * scale).to(Compute));

    private ComposedRotation Composed(LayerVersion version) =>
        version.Derivatives().Object(composedKey, () => rotation.Compose(theta.View(version.Parameters)));

    /// <summary><c>(1−λ)(R − I)</c>, blocks <c>[groups, S, S]</c>.</summary>
    private Tensor Deviation(LayerVersion version) => version.Derivatives().Tensor(deviationKey, () =>
        Composed(version).Blocks.sub(eye(rotation.GroupSize, -1, ScalarType.Float32, version.Parameters.device)).mul_(1 - version.Lambda[lambdaIndex]).to(Compute));

    /// <summary><c>[T, d]</c> as <c>[groups, T, S]</c>, a view.</summary>
    private Tensor Grouped(Tensor rows) => rows.view(rows.shape[0], rotation.Groups, rotation.GroupSize).transpose(0, 1);

    private Tensor? Mask(LinearPass pass, Tensor x) => method.Lora.Dropout > 0 && pass.Context.Training
        ? SeededRandom.DropoutMask(pass.Context.Seed, pass.Context.Step, pass.Context.Index, Site.Name, x.shape, method.Lora.Dropout, x.dtype, x.device)
        : null;
}
