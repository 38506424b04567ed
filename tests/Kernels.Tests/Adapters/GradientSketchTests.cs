using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Models;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Adapters.LoraGa;
using Peft.Orleans.Kernels.Tests.Goldens;
using Peft.Orleans.Kernels.Tests.Models;
using Peft.Orleans.Tests;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Adapters;

/// <summary><c>gradient_estimate: sketch</c> beside <c>exact</c>.</summary>
public class GradientSketchTests(ITestOutputHelper output)
{
    private static readonly MethodSpec Exact = new() { Name = MethodName.LoraGa };
    private static readonly MethodSpec Sketch = Exact with { LoraGa = new LoraGaSpec { GradientEstimate = GradientEstimate.Sketch } };
    private static readonly ModelDimensions Small =
        LlamaShaped.Of(hidden: 64, wide: 128, blocks: 2, heads: 4, keyValueHeads: 4, vocabulary: 64, tied: true);

    private static readonly ModelDimensions Large =
        LlamaShaped.Of(hidden: 1024, wide: 4096, blocks: 2, heads: 64, keyValueHeads: 4, vocabulary: 64, tied: true, headDim: 16);

    [Fact]
    public void Passes_over_the_samples_find_the_leading_triples_in_the_memory_of_a_sketch()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(5);
        const long Rows = 300, Columns = 200, Width = 24;
        const int Count = 6, Samples = 5;
        var decay = arange(40, float64).neg().mul(0.4).exp();
        var (left, _) = linalg.qr(randn([Rows, 40], float64, generator: generator));
        var samples = Enumerable.Range(0, Samples).Select(_ => randn([30, Columns], generator: generator)).ToArray();
        var (right, _) = linalg.qr(randn([Columns, 40], float64, generator: generator));
        // δ = x V S Uᵀ: G has a decaying spectrum whatever the samples are.
        var gradients = samples.Select(x => x.to(float64).mm(right).mul(decay).mm(left.t()).to(float32)).ToArray();
        var g =
            samples
                .Zip(gradients)
                .Select(static pair => pair.Second.to(float64).t().mm(pair.First.to(float64)))
                .Aggregate(static (a, b) => a + b) / Samples;
        using var sketch = new GradientSketch("module", Rows, Columns, Width, CPU);
        for (var pass = 1; pass <= 4; pass++)
            foreach (var (x, dy) in samples.Zip(gradients)) sketch.Add(pass, x, dy);
        Assert.Equal(4 * (Rows + Columns) * Width, sketch.Bytes);

        var (u, sigma, vt) = sketch.Leading(Count, Samples);
        var (exactU, exactSigma, exactVt) = LoraGaInitializer.Leading(g, Count);
        Compare.Close("σ", sigma, exactSigma, 1e-5);
        Compare.Within(u, exactU, 1e-4);
        Compare.Within(vt, exactVt, 1e-4);
        Compare.Close("uᵀG", sketch.FromLeft(u, Samples), exactU.t().mm(g), 1e-4);
        Assert.Equal(Compare.Norm(g.mm(vt.t())), Compare.Norm(sketch.FromRight(vt, Samples)), 1e-4 * Compare.Norm(g));
    }

    /// <summary>
    /// A sketch as wide as the matrices holds every direction; a narrower one of this tiny random model, whose spectrum is flat, comes
    /// near.
    /// </summary>
    [Theory]
    [InlineData(LoraGaInitialization.Stable, 8, 2e-3)]
    [InlineData(LoraGaInitialization.Paper, 8, 2e-3)]
    [InlineData(LoraGaInitialization.Random, 8, 1e-6)]
    [InlineData(LoraGaInitialization.Paper, 4, 0.1)]
    public void Starts_as_the_exact_estimate_does(LoraGaInitialization initialization, int rank, double limit)
    {
        var golden = new Golden("loraga", "initialisation.safetensors");
        using var scope = NewDisposeScope();
        var samples = Batches.EachRow(golden["input_ids"], golden["labels"]);
        var starts = new List<(Dictionary<string, Tensor> Adapter, double[] Lambda)>();
        foreach (var estimate in new[] { GradientEstimate.Exact, GradientEstimate.Sketch })
        {
            var spec = Specs.Hybrid(Path.Combine(golden.Folder, "base"), ["q_proj", "v_proj", "down_proj"], rank, 8, 4, 2);
            spec = spec with
            {
                Method = spec.Method with
                {
                    InitialAdapter = null,
                    LoraGa = new LoraGaSpec { Initialization = initialization, GradientEstimate = estimate },
                },
            };
            using var pipeline = new LocalPipeline(spec);
            pipeline.Initialize(samples: samples);
            starts.Add((pipeline.Export(), pipeline.Versions.SelectMany(static version => version.Lambda).ToArray()));
        }

        foreach (var (name, value) in starts[0].Adapter) Compare.Close(name, starts[1].Adapter[name], value, limit);
        Assert.All(starts[0].Lambda.Zip(starts[1].Lambda), static pair => Assert.Equal(pair.First, pair.Second, 1e-3));
        Assert.All(starts[0].Lambda, static lambda => Assert.NotEqual(0.5, lambda));
        TrainingGoldenTests.Free(starts[0].Adapter, starts[1].Adapter);
    }

    [Fact]
    public void A_sample_counts_once_a_pass_and_never_in_a_pass_that_is_over()
    {
        using var estimate = new BaseGradientEstimate(Sketch, Small, layer: 1);
        Assert.True(estimate.Begin(1, 0));
        Assert.False(estimate.Begin(1, 0));
        Assert.True(estimate.Begin(1, 1));
        Assert.True(estimate.Begin(2, 0));
        Assert.False(estimate.Begin(1, 2));
        Assert.Equal(1, estimate.Samples);
        Assert.False(estimate.IsCompleteAfter(3));
        Assert.True(estimate.IsCompleteAfter(4));
    }

    [Theory]
    [InlineData(2, 1)]
    [InlineData(1, 2)]
    public void A_large_exact_estimate_counts_the_samples_of_its_own_pass(int layer, int own)
    {
        var other = 3 - own;
        using var estimate = new BaseGradientEstimate(Exact, Large, layer);
        Assert.Equal(2, BaseGradientEstimate.Passes(Exact, Large));
        Assert.False(estimate.Begin(other, 0));
        Assert.True(estimate.Begin(own, 0));
        Assert.False(estimate.Begin(own, 0));
        Assert.False(estimate.Begin(other, 1));
        Assert.Equal(1, estimate.Samples);
        Assert.Equal(own == 1, estimate.IsCompleteAfter(1));
        Assert.True(estimate.IsCompleteAfter(2));
        using var small = new BaseGradientEstimate(Exact, Small, layer);
        Assert.Equal(1, BaseGradientEstimate.Passes(Exact, Small));
        Assert.True(small.Begin(1, 0));
        Assert.True(small.IsCompleteAfter(1));
    }

    [Fact]
    public async Task Two_parts_estimate_what_one_does()
    {
        // All modules of this model take two passes, one module takes one; its gradient through the frozen base is the same.
        var samples = SmolLm2Samples.Take(1);
        var folder = await SmolLm2.Folder();
        using var two = new LocalPipeline(Specs.Of(folder, Exact));
        using var one = new LocalPipeline(Specs.Of(folder, Exact with { TargetModules = ["q_proj"] }));
        var (halves, whole) = (two.Estimate(samples), one.Estimate(samples));
        foreach (var layer in new[] { 1, 2, 29, 30 })
        {
            using var scope = NewDisposeScope();
            var name = $"model.layers.{layer - 1}.self_attn.q_proj";
            Assert.True(halves[layer]!.Mean(name)!.equal(whole[layer]!.Mean(name)!).all().item<bool>(), name);
        }

        foreach (var estimate in halves.Concat(whole)) estimate?.Dispose();
    }

    [Fact]
    public async Task On_a_real_model_it_spans_what_the_exact_estimate_spans()
    {
        var samples = SmolLm2Samples.Take(3);
        using var scope = NewDisposeScope();
        var method = new MethodSpec { Name = MethodName.LoraGa, Lora = new LoraSpec { Rank = 16 } };
        using var pipeline = new LocalPipeline(Specs.Of(await SmolLm2.Folder(), method));
        var estimates = pipeline.Estimate(samples);
        foreach (var module in LlamaShaped.Modules)
        {
            var (worstV, worstU) = (0.0, 0.0);
            foreach (var layer in new[] { 0, 15, 29 })
            {
                using var inner = NewDisposeScope();
                var name = $"model.layers.{layer}.{(module is "gate_proj" or "up_proj" or "down_proj" ? "mlp" : "self_attn")}.{module}";
                var g = estimates[layer + 1]!.Mean(name)!;
                var (u, _, vt) = LoraGaInitializer.Leading(g, 32);
                // The whole G as one sample: x = I, δ = Gᵀ.
                using var sketch = new GradientSketch(name, g.shape[0], g.shape[1], 8 * 16, CPU);
                var (x, dy) = (eye(g.shape[1]), g.t().contiguous());
                for (var pass = 1; pass <= BaseGradientEstimate.Passes(Sketch, Small); pass++) sketch.Add(pass, x, dy);
                var (sketchU, _, sketchVt) = sketch.Leading(32, 1);
                worstV = Math.Max(worstV, Apart(vt.narrow(0, 0, 16).t(), sketchVt.narrow(0, 0, 16).t()));
                worstU = Math.Max(worstU, Apart(u.narrow(1, 16, 16), sketchU.narrow(1, 16, 16)));
            }

            output.WriteLine($"{module}: V[:r] {worstV:E1}, U[r:2r] {worstU:E1}");
            Assert.InRange(worstV, 0, 1e-3);
            Assert.InRange(worstU, 0, 2e-2);
        }

        foreach (var estimate in estimates) estimate?.Dispose();
    }

    /// <summary>The part of one orthonormal basis outside the span of the other, ‖(I − P) Q‖_F / √r.</summary>
    private static double Apart(Tensor a, Tensor b) => Compare.Norm(b - a.mm(a.t().mm(b))) / Math.Sqrt(a.shape[1]);
}
