using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Models;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Adapters.Urnn;
using Peft.Orleans.Kernels.Shards;
using Peft.Orleans.Kernels.Tests.Goldens;
using Peft.Orleans.Kernels.Tests.Models;
using Peft.Orleans.Kernels.Versions;
using Peft.Orleans.Tests;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Methods;

public class UrnnTests
{
    private static readonly Func<long[], ulong, Tensor> Random = static (shape, seed) =>
    {
        using var generator = new Generator(seed);
        return randn(shape, float32, generator: generator);
    };

    [Theory]
    [InlineData(OptimizerName.AdamW, 0.02)]
    [InlineData(OptimizerName.Sgd, 0.5)]
    public void Dense_blocks_stay_unitary_and_the_loss_falls_for_a_thousand_steps(OptimizerName optimizer, double rate)
    {
        using var scope = NewDisposeScope();
        const long Half = 24, Block = 4;
        var (map, layout) = Map(UrnnKind.Dense, Half, optimizer);
        using var versions = new Pair(layout, version => map.Initialize(version, 1));
        var (x, target) = (Random([40, 2 * Half], 2), Random([40, 2 * Half], 3));
        var first = 0.0;
        for (var step = 1; step <= 1000; step++)
        {
            using var inner = NewDisposeScope();
            var (loss, gradient) = Fit(map, versions.Current, x, target);
            if (step == 1) first = loss;
            versions.Next.FirstMoment.copy_(versions.Current.FirstMoment.mul(0.9).add(gradient.mul(0.1)));
            versions.Next.SecondMoment.copy_(versions.Current.SecondMoment.mul(0.999).add(gradient.square().mul(0.001)));
            map.AfterStep(versions.Current, versions.Next, gradient, new OptimizerStep(step, 1, [rate / Math.Sqrt(step)], []));
            versions.Swap();
        }

        var u = view_as_complex(versions.Current.Parameters.view(Half / Block, Block, Block, 2));
        Assert.True(UnitaryBlocks.Drift(u) <= UnitaryBlocks.Tolerance);
        NormsAreKept(map.Map(versions.Current, x), x);
        Assert.True(Fit(map, versions.Current, x, target).Loss < 0.95 * first);
    }

    [Fact]
    public void Structured_map_keeps_norms_for_a_thousand_steps_while_the_loss_falls()
    {
        using var scope = NewDisposeScope();
        const long Half = 15; // no power of two
        var (map, layout) = Map(UrnnKind.Structured, Half);
        using var versions = new Pair(layout, version => map.Initialize(version, 1));
        var (x, target) = (Random([40, 2 * Half], 2), Random([40, 2 * Half], 3));
        Assert.True(map.Map(versions.Current, x).eq(x).all().item<bool>());
        // A hair beside the start, where every factor is multiplied out.
        versions.Current.Parameters.mul_(1 + 2e-7f);
        versions.Current.Invalidate();
        Assert.False(map.Map(versions.Current, x).eq(x).all().item<bool>());
        Compare.Within(map.Map(versions.Current, x), x, 1e-5);
        var first = Fit(map, versions.Current, x, target).Loss;
        for (var step = 1; step <= 1000; step++)
        {
            using var inner = NewDisposeScope();
            var (_, gradient) = Fit(map, versions.Current, x, target);
            versions.Current.Parameters.sub_(gradient.mul(0.05 / gradient.norm().item<float>()));
            versions.Current.Invalidate();
        }

        NormsAreKept(map.Map(versions.Current, x), x);
        Assert.True(Fit(map, versions.Current, x, target).Loss < 0.98 * first);
    }

    [Fact]
    public void The_printed_sign_of_equation_12_climbs_the_loss()
    {
        using var scope = NewDisposeScope();
        for (ulong seed = 1; seed <= 5; seed++)
        {
            var (up, down) = (Start(seed), Start(seed));
            var target = view_as_complex(Random([3, 4, 4, 2], seed + 100).to(float64));
            double Loss(Tensor u) => 0.5 * view_as_real(u - target).square().sum().item<double>();
            for (var step = 0; step < 20; step++)
            {
                var (nextUp, nextDown) = (UnitaryBlocks.Step(up, up - target, -0.01), UnitaryBlocks.Step(down, down - target, 0.01));
                Assert.True(Loss(nextUp) > Loss(up), $"seed {seed}, step {step}: exp(+ηB), as printed, went down");
                Assert.True(Loss(nextDown) < Loss(down), $"seed {seed}, step {step}: exp(−ηB) went up");
                (up, down) = (nextUp, nextDown);
            }
        }

        static Tensor Start(ulong seed) => UnitaryBlocks.Exponential(Skew(seed).mul(0.5));
    }

    [Theory]
    [InlineData(ScalarType.Float64, 1e-12)]
    [InlineData(ScalarType.Float32, 1e-5)]
    public void The_exponential_is_that_of_libtorch_whatever_the_norm(ScalarType type, double limit)
    {
        using var scope = NewDisposeScope();
        foreach (var size in new[] { 0.0, 1e-3, 0.4, 3.0, 20.0 })
        {
            var a = Skew(7).mul(size);
            var actual = UnitaryBlocks.Exponential(view_as_complex(view_as_real(a).to(type)));
            Compare.Within(view_as_real(actual), view_as_real(linalg.matrix_exp(a)), limit * Math.Max(1, size));
        }
    }

    [Fact]
    public void Drift_is_renormalised_and_counted()
    {
        using var scope = NewDisposeScope();
        var (map, layout) = Map(UrnnKind.Dense, 8, OptimizerName.Sgd);
        using var versions = new Pair(layout, version => map.Initialize(version, 1));
        var step = new OptimizerStep(1, 1, [0.01], []);
        map.AfterStep(versions.Current, versions.Next, zeros(layout.Size), step);
        Assert.Equal(0, ((DenseMap)map).Renormalizations);
        Assert.InRange(map.UnitarityError(versions.Current)!.Value, 0, 1e-6);

        versions.Current.Parameters.mul_(1.01f);
        Assert.InRange(map.UnitarityError(versions.Current)!.Value, 0.0200, 0.0202);
        map.AfterStep(versions.Current, versions.Next, zeros(layout.Size), step);
        Assert.Equal(1, ((DenseMap)map).Renormalizations);
        var u = view_as_complex(versions.Next.Parameters.view(-1, 4, 4, 2));
        Assert.True(UnitaryBlocks.Drift(u) < 1e-5);
    }

    [Fact]
    public void A_square_weight_can_be_replaced()
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel(bias: true);
        foreach (var kind in new[] { UrnnKind.Structured, UrnnKind.Dense })
        {
            var spec = Specs.Of(
                model.Folder,
                new MethodSpec
                {
                    Name = MethodName.Urnn,
                    TargetModules = ["q_proj", "o_proj"],
                    Urnn = new UrnnSpec
                    {
                        Kind = kind,
                        Mode = UrnnMode.Replace,
                        BlockSize = 4,
                    },
                }
            );
            using var pipeline = new LocalPipeline(spec);
            pipeline.Initialize();
            // At step 0 the map is I, so the replaced weights are.
            var weight = pipeline
                .Shards[1]
                .ExportMerged(pipeline.Versions[1], ScalarType.Float32)
                .ToDictionary(static pair => pair.Name, static pair => pair.Value);
            foreach (var module in new[] { "q_proj", "o_proj" })
                Compare.Within(weight[$"model.layers.0.self_attn.{module}.weight"], eye(TinyModel.Hidden), 5e-6);
            var batch = Batches.Of([TinyModel.Ids(new Random(3), 12)]);
            var before = pipeline.Loss(batch);
            for (var step = 1; step <= 20; step++) pipeline.Step(step, [batch], 1e-2);
            Assert.True(pipeline.Loss(batch) < before);
            foreach (var value in weight.Values) value.Dispose();
        }
    }

    [Theory]
    [InlineData(UrnnKind.Structured, UrnnMode.Replace, 8, "k_proj", "replace needs square weights")]
    [InlineData(UrnnKind.Dense, UrnnMode.Compose, 5, "down_proj", "which 5 does not divide")]
    public void Shapes_that_do_not_fit_are_refused_by_name(UrnnKind kind, UrnnMode mode, int block, string module, string part)
    {
        using var model = new TinyModel();
        var spec = Specs.Of(
            model.Folder,
            new MethodSpec
            {
                Name = MethodName.Urnn,
                TargetModules = [module],
                Urnn = new UrnnSpec
                {
                    Kind = kind,
                    Mode = mode,
                    BlockSize = block,
                },
            }
        );
        var error = Assert.Throws<PeftException>(() => new LocalPipeline(spec));
        Assert.Contains(part, error.Message);
        Assert.Contains(module, error.Message);
    }

    [Fact]
    public void A_permutation_that_is_none_is_refused()
    {
        using var scope = NewDisposeScope();
        var (map, layout) = Map(UrnnKind.Structured, 8);
        using var versions = new Pair(layout, version => map.Initialize(version, 1));
        var slot = layout.Constants.Single(static slot => slot.Options.IsIndex);
        slot.View(versions.Current.Constants).fill_(3);
        Assert.Contains("urnn_permutation", Assert.Throws<PeftException>(() => map.Map(versions.Current, Random([2, 16], 1))).Message);
    }

    private static (UnitaryMap Map, ParameterLayout Layout) Map(UrnnKind kind, long half, OptimizerName optimizer = OptimizerName.AdamW)
    {
        using var model = new TinyModel(weights: false);
        var method = new MethodSpec
        {
            Name = MethodName.Urnn,
            Urnn = new UrnnSpec { Kind = kind, BlockSize = 4 },
        };
        var setup = RunSetup.Of(Specs.Of(model.Folder, method)) with
        {
            Optimizer = new OptimizerSpec { Name = optimizer },
        };
        var site = new LinearSite("drifting", 2 * half, 2 * half, HasBias: false, LinearRole.Output);
        UnitaryMap map = kind == UrnnKind.Dense ? new DenseMap(site, setup) : new StructuredMap(site);
        var builder = new LayoutBuilder();
        map.Declare(builder);
        return (map, builder.Build(moments: true));
    }

    /// <summary>½‖Ũx − target‖² and its gradient.</summary>
    private static (double Loss, Tensor Gradient) Fit(UnitaryMap map, LayerVersion version, Tensor x, Tensor target)
    {
        var y = map.Map(version, x);
        var error = y - target;
        var gradient = zeros(version.Parameters.numel());
        map.Backward(version, x, y, error, gradient, needsInput: false);
        return (0.5 * error.to(float64).square().sum().item<double>(), gradient);
    }

    private static void NormsAreKept(Tensor mapped, Tensor x)
    {
        var ratio = mapped.to(float64).norm(dim: 1, p: 2f) / x.to(float64).norm(dim: 1, p: 2f);
        var largest = (ratio - 1).abs().max().item<double>();
        Assert.True(largest <= 1e-5, $"norms differ by {largest:E2}");
    }

    private static Tensor Skew(ulong seed)
    {
        var a = view_as_complex(Random([3, 4, 4, 2], seed).to(float64));
        return a - a.conj().resolve_conj().transpose(1, 2);
    }

    /// <summary>Two versions that take turns.</summary>
    private sealed class Pair : IDisposable
    {
        internal Pair(ParameterLayout layout, Action<LayerVersion> initialize)
        {
            (Current, Next) = (new LayerVersion(layout, CPU), new LayerVersion(layout, CPU));
            initialize(Current);
        }

        internal LayerVersion Current { get; private set; }

        internal LayerVersion Next { get; private set; }

        internal void Swap()
        {
            (Current, Next) = (Next, Current);
            Current.Invalidate();
        }

        public void Dispose()
        {
            Current.Dispose();
            Next.Dispose();
        }
    }
}
