using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Torch;
using Peft.Orleans.Kernels.Versions;
using Peft.Orleans.Kernels.Weights;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters;

/// <summary>What one linear's forward pass leaves for its backward pass, besides its input.</summary>
internal sealed class LinearSaved : IDisposable
{
    /// <summary>Low-rank hidden rows <c>[T, r]</c>.</summary>
    internal Tensor? Hidden { get; set; }

    /// <summary>Output of the frozen weight, laid out as the method that transforms it wants it.</summary>
    internal Tensor? BaseOutput { get; set; }

    /// <summary>
    /// Whether a method on the output side keeps <see cref="BaseOutput"/>, instead of making it again from the module's input.
    /// </summary>
    internal bool KeepsBaseOutput { get; init; } = true;

    internal long Bytes => Size(Hidden) + Size(BaseOutput);

    public void Dispose()
    {
        Hidden?.Dispose();
        BaseOutput?.Dispose();
        Hidden = BaseOutput = null;
    }

    private static long Size(Tensor? value) => value is null ? 0 : value.numel() * value.element_size();
}

/// <summary>Where a pass stands, for the linears in it.</summary>
/// <param name="Version">The version computed with.</param>
/// <param name="Context">Place in the run.</param>
internal readonly record struct LinearPass(LayerVersion Version, PassContext Context)
{
    /// <summary>What rows x of a module are multiplied with in training; null where nothing drops out. In the caller's scope.</summary>
    internal Tensor? Dropout(string module, Tensor x, double probability) => probability > 0 && Context.Training
        ? SeededRandom.DropoutMask(Context.Seed, Context.Step, Context.Index, module, x.shape, probability, x.dtype, x.device)
        : null;
}

/// <summary>One linear module with its adapter: forward and backward written out, tokens in rows.</summary>
internal abstract class AdaptedLinear(LinearSite site) : IDisposable
{
    internal LinearSite Site => site;

    /// <summary>Whether anything in it trains.</summary>
    internal abstract bool Trains { get; }

    /// <summary>Bytes of frozen weights.</summary>
    internal abstract long BaseBytes { get; }

    /// <summary>How far its orthogonal blocks are from orthogonal, max |CᵀC − I|; null where it has none.</summary>
    internal virtual double? OrthogonalityError(LayerVersion version) => null;

    /// <summary>How far its unitary blocks are from unitary, max |UᴴU − I|; null where it has none that could drift.</summary>
    internal virtual double? UnitarityError(LayerVersion version) => null;

    /// <summary>Declares its tensors in the layer's buffers.</summary>
    internal abstract void Declare(LayoutBuilder layout);

    /// <summary><c>x [T, in] → y [T, out]</c>; fills <paramref name="saved"/> where a backward pass follows.</summary>
    internal abstract Tensor Forward(LinearPass pass, Tensor x, LinearSaved? saved);

    /// <summary>Whether <see cref="OutputAgain"/> is to be had cheaply, so that the output need not be kept beside what is saved.</summary>
    internal virtual bool RepeatsOutput => false;

    /// <summary>The output of <see cref="Forward"/> once more, bit by bit, from what that saved.</summary>
    internal virtual Tensor OutputAgain(LinearPass pass, LinearSaved saved) =>
        throw new NotSupportedException($"{site.Name}: this method keeps its output");

    /// <summary>
    /// Adds the trainable gradient to the flat buffer; with <paramref name="needsInput"/> adds dL/dx to <paramref name="dx"/> in place, or
    /// makes it.
    /// </summary>
    internal abstract Tensor? Backward(
        LinearPass pass,
        Tensor x,
        LinearSaved saved,
        Tensor dy,
        Tensor gradient,
        Tensor? dx,
        bool needsInput
    );

    /// <summary>
    /// As <see cref="Backward"/> through the frozen weight only; an adapted module adds its base gradient to <paramref name="estimate"/>.
    /// </summary>
    internal abstract Tensor? BackwardBase(Tensor x, Tensor dy, BaseGradientEstimate? estimate, Tensor? dx, bool needsInput);

    /// <summary>Writes the method's initial values into a version.</summary>
    internal abstract void Initialize(LayerVersion version, long seed, BaseGradientEstimate? estimate);

    /// <summary>
    /// Called when the optimizer has written <paramref name="next"/>: what keeps a parameter on its manifold or inside its bound, or
    /// replaces the optimizer's update.
    /// </summary>
    internal virtual void AfterStep(LayerVersion current, LayerVersion next, Tensor gradient, OptimizerStep step)
    {
    }

    /// <summary>The base weight with the adapter merged, fp32 <c>[out, in]</c>.</summary>
    internal abstract Tensor Merged(LayerVersion version);

    /// <summary>The bias, fp32, where there is one.</summary>
    internal abstract Tensor? Bias(LayerVersion version);

    public abstract void Dispose();
}

/// <summary>A linear whose own weight is frozen.</summary>
internal abstract class FrozenBaseLinear : AdaptedLinear
{
    private readonly Tensor? bias;

    protected FrozenBaseLinear(LinearSite site, ShardContext context) : base(site)
    {
        Compute = context.Compute;
        Weight = new FrozenWeight(context.Weights.Read(site.WeightName, [site.Out, site.In], context.Held), context.Compute);
        if (site.HasBias) bias = context.Weights.Read(site.BiasName, [site.Out], context.Compute);
    }

    protected FrozenWeight Weight { get; }

    protected ScalarType Compute { get; }

    internal override long BaseBytes => Weight.Bytes + (bias is null ? 0 : bias.numel() * bias.element_size());

    internal override Tensor? BackwardBase(Tensor x, Tensor dy, BaseGradientEstimate? estimate, Tensor? dx, bool needsInput)
    {
        if (Trains && estimate is not null) Estimate(estimate, x.to(ScalarType.Float32), dy.to(ScalarType.Float32));
        return needsInput ? Weight.InputGradient(dy, dx) : dx;
    }

    internal override Tensor? Bias(LayerVersion version) => bias?.to(ScalarType.Float32, copy: true);

    /// <summary>Adds a sample's <c>G = δᵀ x</c> to the estimate, from fp32 <c>x [T, k]</c> and <c>δ [T, d]</c>.</summary>
    protected virtual void Estimate(BaseGradientEstimate estimate, Tensor x, Tensor dy) => estimate.Add(Site.Name, x, dy);

    /// <summary>Adds the bias in place, after all other terms.</summary>
    protected Tensor AddBias(Tensor y) => bias is null ? y : y.add_(bias, One);

    public override void Dispose()
    {
        Weight.Dispose();
        bias?.Dispose();
    }
}
