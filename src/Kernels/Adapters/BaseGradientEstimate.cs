using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Models;
using Peft.Orleans.Core.Planning;
using Peft.Orleans.Kernels.Adapters.LoraGa;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters;

/// <summary>
/// The gradient of the frozen base weights before training, the mean over some samples: what LoRA-GA's initialisation needs (Eq. 7), for
/// each adapted module a <c>[d, k]</c> matrix or a sketch of it. Samples are added in the order of their passes.
/// </summary>
public sealed class BaseGradientEstimate : IDisposable
{
    /// <summary>Each costs two passes over the samples; a wider sketch costs far less, and does as much.</summary>
    private const int PowerIterations = 1;

    /// <summary>Width of a sketch in ranks: four times the 2r triples that the initialisation reads.</summary>
    private const int Width = 8;

    private readonly Dictionary<string, Tensor> sums = new(StringComparer.Ordinal);
    private readonly Dictionary<string, GradientSketch> sketches = new(StringComparer.Ordinal);
    private readonly HashSet<int> samples = [];
    private readonly long width;
    private readonly int last;

    /// <summary>An empty estimate of a layer of a model, as a method asks for it.</summary>
    public BaseGradientEstimate(MethodSpec method, ModelDimensions model, int layer)
    {
        var passes = Passes(method, model);
        last = Sketches(method) ? passes : MemoryModel.EstimatePass(layer, passes);
        Pass = Sketches(method) ? 1 : last;
        IsSketch = method.LoraGa.GradientEstimate == GradientEstimate.Sketch;
        width = (long)Width * method.Lora.Rank;
    }

    /// <summary>Number of samples in the sums.</summary>
    public int Samples => samples.Count;

    /// <summary>Bytes held.</summary>
    public long Bytes => sums.Values.Sum(static sum => sum.numel() * 4) + sketches.Values.Sum(static sketch => sketch.Bytes);

    /// <summary>Whether the gradient matrix is never formed.</summary>
    internal bool IsSketch { get; }

    /// <summary>The pass over the samples under way, from 1.</summary>
    internal int Pass { get; private set; }

    /// <summary>How many passes over the same samples the estimates of all layers take.</summary>
    public static int Passes(MethodSpec method, ModelDimensions model) =>
        Sketches(method) ? 2 + (2 * PowerIterations) : MemoryModel.EstimateParts(model, method);

    /// <summary>Whether this layer's estimate is complete when a pass has ended.</summary>
    public bool IsCompleteAfter(int pass) => pass >= last;

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var sum in sums.Values) sum.Dispose();
        foreach (var sketch in sketches.Values) sketch.Dispose();
        sums.Clear();
        sketches.Clear();
        samples.Clear();
    }

    /// <summary>Whether this sample is new in this pass; one that was counted before must not be added again.</summary>
    internal bool Begin(int pass, int sample)
    {
        if (pass < Pass || pass > last) return false;
        if (pass > Pass) samples.Clear();
        Pass = pass;
        return samples.Add(sample);
    }

    /// <summary>Adds a sample's <c>δᵀ x</c> of a module, fp32 <c>x [T, k]</c>, <c>δ [T, d]</c>.</summary>
    internal void Add(string module, Tensor x, Tensor dy)
    {
        if (!IsSketch)
        {
            Sum(module, [dy.shape[1], x.shape[1]], dy.device).addmm_(dy.t(), x);
            return;
        }

        if (!sketches.TryGetValue(module, out var sketch))
            sketches[module] = sketch = new GradientSketch(module, dy.shape[1], x.shape[1], width, dy.device);
        sketch.Add(Pass, x, dy);
    }

    /// <summary>A sum over the samples of the first pass, zero at first.</summary>
    internal Tensor Sum(string name, long[] shape, Device device)
    {
        if (!sums.TryGetValue(name, out var sum))
            sums[name] = sum = zeros(shape, float32, device).DetachFromDisposeScope();
        return sum;
    }

    /// <summary>The mean of a sum (of a module: its gradient), or null when no sample was added; owned by the caller's scope.</summary>
    internal Tensor? Mean(string name) => Samples > 0 && sums.TryGetValue(name, out var sum) ? sum.div(Held((double)Samples)) : null;

    /// <summary>
    /// The leading singular triples of a module's mean gradient, float64, at most as many as there are; null when no sample was added.
    /// Owned by the caller's scope.
    /// </summary>
    internal (Tensor U, Tensor Sigma, Tensor Vt)? Leading(string module, int count)
    {
        if (sketches.TryGetValue(module, out var sketch)) return sketch.Leading(count, Samples);
        using var scope = NewDisposeScope();
        if (Mean(module) is not { } mean) return null;
        var (u, sigma, vt) = LoraGaInitializer.Leading(mean, count);
        return (u.MoveToOuterDisposeScope(), sigma.MoveToOuterDisposeScope(), vt.MoveToOuterDisposeScope());
    }

    /// <summary>
    /// <c>‖leftᵀ G‖²</c> and <c>‖G rightᵀ‖²</c> of a module's mean gradient, for <c>left [d, r]</c> and <c>right [r, k]</c>; null when no
    /// sample was added.
    /// </summary>
    internal (double Left, double Right)? SquaredProducts(string module, Tensor left, Tensor right)
    {
        using var scope = NewDisposeScope();
        if (sketches.TryGetValue(module, out var sketch))
            return (Squared(sketch.FromLeft(left, Samples)), Squared(sketch.FromRight(right, Samples)));
        return Mean(module) is { } mean ? (Squared(left.t().mm(mean)), Squared(mean.mm(right.t()))) : null;
    }

    private static bool Sketches(MethodSpec method) =>
        method.LoraGa is { GradientEstimate: GradientEstimate.Sketch, Initialization: not LoraGaInitialization.Random };

    private static double Squared(Tensor value) => value.to(ScalarType.Float64).Squared().sum().item<double>();
}
