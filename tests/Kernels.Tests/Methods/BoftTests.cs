using System.Diagnostics.Metrics;
using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Data.Adapters;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Adapters.Boft;
using Peft.Orleans.Kernels.Tests.Goldens;
using Peft.Orleans.Kernels.Tests.Models;
using Peft.Orleans.Kernels.Weights;
using Peft.Orleans.Tests;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Methods;

public class BoftTests
{
    /// <summary>n, b, m: one factor, odd blocks, dense groups, and groups so large that factors are applied one by one.</summary>
    public static TheoryData<int, int, int> Sizes =>
        new()
        {
            { 12, 3, 1 },
            { 48, 8, 2 },
            { 64, 4, 3 },
            { 128, 4, 6 },
            { 96, 6, 5 },
            { 256, 2, 8 },
        };

    [Theory, MemberData(nameof(Sizes))]
    public void Rows_are_rotated_as_by_the_dense_matrix_and_so_are_gradients(int size, int block, int factors)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(7);
        foreach (var eta in new[] { 1.0, 0.5 })
        {
            using var rotation = new ButterflyRotation(
                "module",
                size,
                new BoftSpec
                {
                    BlockSize = block,
                    ButterflyFactors = factors,
                    Eta = eta,
                },
                CPU
            );
            var theta = randn(rotation.ParameterShape, generator: generator).mul_(0.3);
            var (x, dy) = (randn([5, size], generator: generator), randn([5, size], generator: generator));
            using var composed = rotation.Compose(theta);
            var parameter = theta.to(float64).detach().requires_grad_();
            var dense = DenseButterfly.Of(parameter, size, block, eta);
            foreach (var transposed in new[] { false, true })
            {
                var matrix = transposed ? dense : dense.t(); // rows: y = x Rᵀ, or x R
                var expected = x.to(float64).mm(matrix);
                var y = x.clone();
                rotation.AddDeviation(composed, rotation.Arrange(x), y, transposed);
                Compare.Within(y, expected, 2e-5);
                // Half of the way, and back.
                var half = x.clone();
                rotation.AddDeviation(composed, rotation.Arrange(x), half, transposed, 0.5);
                Compare.Within(half, (expected + x) / 2, 2e-5);
                var back = y.clone();
                rotation.AddDeviation(composed, rotation.Arrange(y), back, !transposed);
                Compare.Within(back, x, 2e-5);

                parameter.grad?.zero_();
                (expected * dy).sum().backward(create_graph: false, retain_graph: true);
                var gradient = rotation.Gradient(composed, rotation.Arrange(x), rotation.Arrange(dy), transposed, 2);
                Compare.Close("gradient", gradient, parameter.grad! * 2, 2e-5);
            }
        }
    }

    [Fact]
    public void A_group_of_65536_positions_needs_no_matrix_of_that_size()
    {
        // Such a matrix would take 16 GiB.
        using var scope = NewDisposeScope();
        using var rotation = new ButterflyRotation("module", 65536, new BoftSpec { BlockSize = 8, ButterflyFactors = 14 }, CPU);
        using var composed = rotation.Compose(randn(rotation.ParameterShape).mul_(0.1));
        var x = randn(2, 65536);
        var y = x.clone();
        rotation.AddDeviation(composed, rotation.Arrange(x), y, transposed: false);
        Assert.True(Compare.Distance(x, y) > 0.1 * Compare.Norm(x));
        Assert.Equal(Compare.Norm(x), Compare.Norm(y), 1e-4 * Compare.Norm(x));
    }

    [Theory]
    [InlineData(BoftParameterization.Cayley)]
    [InlineData(BoftParameterization.Projection)]
    public void Blocks_stay_orthogonal_for_a_thousand_steps_while_the_loss_falls(BoftParameterization parameterization)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(9);
        const int Size = 48;
        var options = new BoftSpec { BlockSize = 4, ButterflyFactors = 3, Parameterization = parameterization };
        using var rotation = new ButterflyRotation("module", Size, options, CPU);
        var parameters = zeros(rotation.ParameterShape);
        rotation.Orthogonal.Start(parameters);
        var (x, target) = (randn([40, Size], generator: generator), randn([40, Size], generator: generator));
        var (first, last) = (0.0, 0.0);
        for (var step = 0; step < 1000; step++)
        {
            using var inner = NewDisposeScope();
            using var composed = rotation.Compose(parameters);
            var arranged = rotation.Arrange(x);
            var y = x.clone();
            rotation.AddDeviation(composed, arranged, y, transposed: false);
            var error = y - target;
            last = error.square().sum().item<float>();
            if (step == 0) first = last;
            var gradient = rotation.Gradient(composed, arranged, rotation.Arrange(error), transposed: false);
            parameters.sub_(gradient * (0.1 / gradient.norm().item<float>()));
            rotation.Orthogonal.AfterStep("module", parameters);
        }

        using var final = rotation.Compose(parameters);
        Assert.InRange(rotation.Orthogonal.OrthogonalityError(final.Blocks), 0, 1e-5);
        Assert.True(last < 0.95 * first, $"{first} became {last}");
    }

    [Fact]
    public void Projection_finds_the_polar_factor_whatever_the_scale()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(4);
        using var projected = new ProjectedBlocks(5, CPU);
        foreach (var scale in new[] { 1.0, 100.0, 1e-3 })
        {
            var blocks = randn([7, 5, 5], generator: generator);
            var (u, _, vt) = linalg.svd(blocks.to(float64));
            Compare.Within(projected.Project("module", blocks.mul(scale)), u.bmm(vt), 1e-5);
        }

        Assert.Contains("up_proj", Assert.Throws<PeftException>(() => projected.Project("up_proj", zeros(2, 5, 5))).Message);
    }

    [Theory]
    [InlineData(BoftSide.Input, BoftParameterization.Cayley, "boft_R", "boft_s")]
    [InlineData(BoftSide.Output, BoftParameterization.Cayley, "boft_theta", null)]
    [InlineData(BoftSide.Input, BoftParameterization.Projection, "boft_C", "boft_s")]
    [InlineData(BoftSide.Output, BoftParameterization.Projection, "boft_C", null)]
    public void Every_form_trains_merges_and_loads_again(
        BoftSide side,
        BoftParameterization parameterization,
        string rotation,
        string? scale
    )
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel(bias: true);
        foreach (var (block, factors) in new[] { (8, 1), (4, 2), (2, 4) })
        {
            var method = new MethodSpec
            {
                Name = MethodName.Boft,
                Boft = new BoftSpec
                {
                    BlockSize = block,
                    ButterflyFactors = factors,
                    Side = side,
                    Parameterization = parameterization,
                    Eta = parameterization == BoftParameterization.Cayley ? 2 : 1,
                },
            };
            var spec = Specs.Of(model.Folder, method);
            using var pipeline = new LocalPipeline(spec);
            using var plain = new LocalPipeline(Specs.Lora(model.Folder, [], 1, 1));
            pipeline.Initialize();
            plain.Initialize();
            var batch = Batches.Of([TinyModel.Ids(new Random(2), 14)]);
            Assert.True(pipeline.Logits(batch).eq(plain.Logits(batch)).all().item<bool>());
            var before = pipeline.Loss(batch);
            for (var step = 1; step <= 5; step++) pipeline.Step(step, [batch], 0.01);
            Assert.True(pipeline.Loss(batch) < before - 0.01);

            var export = pipeline.Export();
            Assert.Equal(
                new[] { rotation, scale }.OfType<string>().Order(),
                export.Keys.Select(static key => key[(key.LastIndexOf('.') + 1)..]).Distinct().Order()
            );
            using var folder = new TemporaryFolder();
            TensorFile.Write(
                Path.Combine(folder.Path, AdapterFolder.WeightsName),
                export.Select(static pair => (pair.Key, pair.Value))
            );
            File.WriteAllText(
                Path.Combine(folder.Path, AdapterFolder.ConfigName),
                AdapterConfigWriter.Write(spec.Method, ModelFolder.Open(spec.Model.Path))
            );
            var adapter = AdapterTensors.Read(folder.Path);
            using var again = new LocalPipeline(spec with { Method = method with { InitialAdapter = folder.Path } });
            again.Initialize(adapter);
            Assert.Equal(pipeline.Loss(batch), again.Loss(batch), 1e-6);

            using var whole = new TemporaryFolder();
            File.Copy(Path.Combine(model.Folder, "config.json"), Path.Combine(whole.Path, "config.json"));
            var merged = pipeline.Shards.SelectMany((shard, i) => shard.ExportMerged(pipeline.Versions[i], ScalarType.Float32)).ToArray();
            TensorFile.Write(Path.Combine(whole.Path, "model.safetensors"), merged);
            foreach (var (_, value) in merged) value.Dispose();
            using var flat = new LocalPipeline(Specs.Lora(whole.Path, [], 1, 1));
            flat.Initialize();
            var expected = pipeline.Logits(batch);
            Compare.Close("merged", flat.Logits(batch), expected, 1e-5);
        }
    }

    [Fact]
    public void Configuration_has_PEFTs_keys_only_where_PEFT_can_read_the_tensors()
    {
        using var model = new TinyModel(weights: false);
        var folder = ModelFolder.Open(model.Folder);
        var input = new MethodSpec
        {
            Name = MethodName.Boft,
            TargetModules = ["v_proj", "q_proj"],
            Boft = new BoftSpec { BlockSize = 4, ButterflyFactors = 2 },
        };
        using var config = JsonDocument.Parse(AdapterConfigWriter.Write(input, folder));
        var root = config.RootElement;
        Assert.Equal("BOFT", root.GetProperty("peft_type").GetString());
        Assert.Equal(4, root.GetProperty("boft_block_size").GetInt32());
        Assert.Equal(0, root.GetProperty("boft_block_num").GetInt32());
        Assert.Equal(2, root.GetProperty("boft_n_butterfly_factor").GetInt32());
        Assert.False(root.TryGetProperty("method", out _));

        using var own = JsonDocument.Parse(
            AdapterConfigWriter.Write(input with { Boft = input.Boft with { Side = BoftSide.Output } }, folder)
        );
        Assert.Equal("BOFT", own.RootElement.GetProperty("peft_type").GetString());
        Assert.Equal("output", own.RootElement.GetProperty("method").GetProperty("boft").GetProperty("side").GetString());
        // PEFT raises an error where both are zero, rather than load tensors it does not know as the identity.
        Assert.Equal(0, own.RootElement.GetProperty("boft_block_size").GetInt32());
        Assert.Equal(0, own.RootElement.GetProperty("boft_block_num").GetInt32());
    }

    [Theory]
    [InlineData(BoftSide.Input, BoftSide.Output, "boft_R")]
    [InlineData(BoftSide.Output, BoftSide.Input, "boft_R")]
    public void An_adapter_of_one_form_does_not_start_the_other(BoftSide trained, BoftSide asked, string tensor)
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel();
        MethodSpec Method(BoftSide side) =>
            new()
            {
                Name = MethodName.Boft,
                Boft = new BoftSpec
                {
                    BlockSize = 4,
                    ButterflyFactors = 2,
                    Side = side,
                },
            };
        var spec = Specs.Of(model.Folder, Method(trained));
        using var pipeline = new LocalPipeline(spec);
        pipeline.Initialize();
        using var folder = new TemporaryFolder();
        TensorFile.Write(
            Path.Combine(folder.Path, AdapterFolder.WeightsName),
            pipeline.Export().Select(static pair => (pair.Key, pair.Value))
        );
        File.WriteAllText(
            Path.Combine(folder.Path, AdapterFolder.ConfigName),
            AdapterConfigWriter.Write(spec.Method, ModelFolder.Open(spec.Model.Path))
        );
        var adapter = AdapterTensors.Read(folder.Path);
        using var other = new LocalPipeline(Specs.Of(model.Folder, Method(asked) with { InitialAdapter = folder.Path }));
        Assert.Contains(tensor, Assert.Throws<PeftException>(() => other.Initialize(adapter)).Message);
    }

    [Theory]
    [InlineData(MethodName.Boft)]
    [InlineData(MethodName.Hybrid)]
    public void The_orthogonality_error_of_every_module_is_a_metric(MethodName method)
    {
        var errors = new Dictionary<string, double>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = static (instrument, self) =>
        {
            if (instrument.Name == MetricNames.OrthogonalityError) self.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<double>((_, value, tags, _) => errors[(string)tags[0].Value!] = value);
        listener.Start();
        using var scope = NewDisposeScope();
        using var model = new TinyModel();
        using var pipeline = new LocalPipeline(Specs.Of(model.Folder, new MethodSpec
        {
            Name = method,
            Lora = new LoraSpec { Rank = 2 },
            LoraGa = new LoraGaSpec { Initialization = LoraGaInitialization.Random },
            Boft = new BoftSpec { BlockSize = 4, ButterflyFactors = 2 },
        }));
        pipeline.Initialize();
        var batch = Batches.Of([TinyModel.Ids(new Random(2), 14)]);
        for (var step = 1; step <= 5; step++) pipeline.Step(step, [batch], 0.05);
        Assert.Equal(TinyModel.Layers * LlamaShaped.Modules.Count, errors.Count);
        Assert.All(errors.Values, static error => Assert.InRange(error, 1e-12, 1e-5));
    }

    [Theory]
    [InlineData(5, 1, "q_proj")]
    [InlineData(3, 2, "block_size even")]
    [InlineData(8, 3, "multiple of")]
    public void Sizes_that_do_not_divide_are_refused_with_module_and_numbers(int block, int factors, string part)
    {
        var options = new BoftSpec { BlockSize = block, ButterflyFactors = factors };
        var message = Assert
            .Throws<PeftException>(() => new ButterflyRotation("model.layers.0.self_attn.q_proj", 48, options, CPU))
            .Message;
        Assert.Contains(part, message);
        Assert.Contains("q_proj", message);
        Assert.Contains("48", message);
    }
}
