using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Adapters.Boft;
using Peft.Orleans.Kernels.Adapters.LoraGa;
using Peft.Orleans.Kernels.Torch;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.Hybrid;

/// <summary>
/// Hybrid (Alg. 2) with one base product: <c>z = W0 x</c>, <c>y = z + λ s (BA − B0A0) x + (1−λ)(R − I) z + bias</c>.
/// </summary>
internal sealed class HybridLinear : FrozenBaseLinear
{
    private readonly LowRankDifference change;
    private readonly ButterflyRotation rotation;
    private readonly int lambdaIndex;
    private readonly object composedKey = new();
    private ParameterSlot theta = null!;

    internal HybridLinear(LinearSite site, ShardContext context, int lambdaIndex) : base(site, context)
    {
        this.lambdaIndex = lambdaIndex;
        change = new LowRankDifference(site, context);
        rotation = new ButterflyRotation(site.Name, site.Out, context.Method.Boft, context.Device);
    }

    internal override bool Trains => true;

    /// <summary>The low-rank tensors and the rotation angles, for the norms that mix λ.</summary>
    internal (ParameterSlot Down, ParameterSlot Up, ParameterSlot Theta) Slots => (change.Down, change.Up, theta);

    internal int LambdaIndex => lambdaIndex;

    internal override double? OrthogonalityError(LayerVersion version) =>
        rotation.Orthogonal.OrthogonalityError(Composed(version).Blocks);

    internal override void Declare(LayoutBuilder layout)
    {
        change.Declare(layout);
        theta = layout.Trainable(
            $"{Site.AdapterPrefix}.boft_theta",
            rotation.ParameterShape,
            new SlotOptions { Group = ParameterGroup.Rotation, MayLack = true }
        );
    }

    internal override Tensor Forward(LinearPass pass, Tensor x, LinearSaved? saved)
    {
        var y = Weight.Product(x); // z [T, d]
        var arranged = rotation.Arrange(y);
        var hidden = change.Hidden(pass, x);
        Finish(pass, arranged, hidden, y);
        if (saved is not null) saved.Hidden = hidden.DetachFromDisposeScope();
        if (saved is { KeepsBaseOutput: true }) saved.BaseOutput = arranged.DetachFromDisposeScope();
        else arranged.Dispose();
        return y;
    }

    internal override bool RepeatsOutput => true;

    internal override Tensor OutputAgain(LinearPass pass, LinearSaved saved) =>
        Finish(pass, saved.BaseOutput!, saved.Hidden!, rotation.Restore(saved.BaseOutput!));

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
        var lambda = version.Lambda[lambdaIndex];
        var arranged = rotation.Arrange(dy, stay: true);
        rotation.Accumulate(
            Composed(version),
            saved.BaseOutput ?? rotation.Arrange(Weight.Product(x)),
            arranged,
            transposed: false,
            theta.View(gradient),
            1 - lambda
        );
        var dHidden = change.Backward(pass, x, saved.Hidden!, dy, gradient, lambda * change.Scale);
        if (!needsInput) return dx;
        var dz = dy.clone();
        rotation.AddDeviation(Composed(version), arranged, dz, transposed: true, 1 - lambda);
        return change.InputGradient(pass, Weight, x, dz, dx, dHidden);
    }

    internal override void Initialize(LayerVersion version, long seed, BaseGradientEstimate? estimate)
    {
        change.Initialize(version, seed, estimate);
        rotation.Orthogonal.Start(theta.View(version.Parameters));
    }

    /// <summary>Squared norms of the unmixed gradients at the start, from the mean base gradient: of A and B, and of θ at R = I.</summary>
    internal (double Lora, double Rotation) InitialNorms(LayerVersion version, BaseGradientEstimate estimate)
    {
        using var scope = NewDisposeScope();
        var dTheta =
            estimate.IsSketch ? estimate.Mean(theta.Name)
            : estimate.Mean(Site.Name) is { } g ? StartGradient(Weight.Held.to(ScalarType.Float32).t(), g.t())
            : null;
        return dTheta is null
            ? (0, 0)
            : (change.InitialSquaredNorm(version, estimate), FixedOrder.SquaredNorm(dTheta.view(-1), 0, dTheta.numel()));
    }

    /// <summary>A sketch has no G to take dL/dR from; its diagonal blocks alone are small, and added up in the first pass.</summary>
    protected override void Estimate(BaseGradientEstimate estimate, Tensor x, Tensor dy)
    {
        if (estimate is { IsSketch: true, Pass: 1 })
            estimate
                .Sum(theta.Name, theta.Shape, dy.device)
                .add_(StartGradient(Weight.Product(x.to(Compute)).to(ScalarType.Float32), dy), One);
        change.Estimate(estimate, x, dy);
    }

    internal override Tensor Merged(LayerVersion version)
    {
        using var scope = NewDisposeScope();
        var lambda = version.Lambda[lambdaIndex];
        var w = Weight.Held.to(ScalarType.Float32, copy: true);
        using var composed = rotation.Compose(theta.View(version.Parameters));
        rotation.AddDeviation(composed, rotation.Arrange(w.t()), w.t(), transposed: false, 1 - lambda);
        change.AddTo(version, w, lambda * change.Scale);
        return w.MoveToOuterDisposeScope();
    }

    public override void Dispose()
    {
        rotation.Dispose();
        base.Dispose();
    }

    /// <summary>From the base output: y, in place.</summary>
    private Tensor Finish(LinearPass pass, Tensor arranged, Tensor hidden, Tensor y)
    {
        var lambda = pass.Version.Lambda[lambdaIndex];
        change.Add(pass, hidden, y, lambda * change.Scale);
        rotation.AddDeviation(Composed(pass.Version), arranged, y, transposed: false, 1 - lambda);
        return AddBias(y);
    }

    /// <summary>
    /// dL/dθ at R = I, from rows z that R would see and dL/dz: of <c>dL/dR = G W0ᵀ</c> only the diagonal blocks matter, whether its rows
    /// are columns of G and W0 or tokens.
    /// </summary>
    private Tensor StartGradient(Tensor rows, Tensor gradient)
    {
        using var identity = rotation.Compose(zeros(rotation.ParameterShape, ScalarType.Float32, rows.device));
        return rotation.Gradient(identity, rotation.Arrange(rows, stay: true), rotation.Arrange(gradient, stay: true), transposed: false);
    }

    private ComposedRotation Composed(LayerVersion version) =>
        version
            .Derivatives()
            .Object(composedKey, () => rotation.Compose(theta.View(version.Parameters), Compute));
}
