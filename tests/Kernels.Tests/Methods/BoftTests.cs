using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Tests.Goldens;
using Peft.Orleans.Kernels.Tests.Methods.Conformance;
using Peft.Orleans.Kernels.Tests.Models;
using Peft.Orleans.Tests;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Methods;

/// <summary>Models adapted by BOFT, in every form.</summary>
public class BoftTests
{
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
            using var folder = MethodRun.WriteAdapter(spec, export);
            var adapter = AdapterTensors.Read(folder.Path);
            using var again = new LocalPipeline(spec with { Method = method with { InitialAdapter = folder.Path } });
            again.Initialize(adapter);
            Assert.Equal(pipeline.Loss(batch), again.Loss(batch), 1e-6);

            using var whole = MethodRun.WriteModel(model, pipeline);
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
        using var folder = MethodRun.WriteAdapter(spec, pipeline.Export());
        var adapter = AdapterTensors.Read(folder.Path);
        using var other = new LocalPipeline(Specs.Of(model.Folder, Method(asked) with { InitialAdapter = folder.Path }));
        Assert.Contains(tensor, Assert.Throws<PeftException>(() => other.Initialize(adapter)).Message);
    }

    [Theory]
    [InlineData(MethodName.Boft)]
    [InlineData(MethodName.Hybrid)]
    public void The_orthogonality_error_of_every_layer_is_measured(MethodName method)
    {
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
        var blocks = pipeline.Measures[1..^1];
        Assert.Equal(TinyModel.Layers, blocks.Length);
        Assert.All(blocks, static block => Assert.InRange(block.OrthogonalityError!.Value, 1e-12, 1e-5));
        Assert.All(blocks, static block => Assert.Null(block.UnitarityError));
        Assert.All(blocks, static block => Assert.Equal(block.SquaredNorm, block.Components.Values.Sum(), 1e-9));
        var parts = method == MethodName.Boft ? (string[])["boft_R", "boft_s"] : ["boft_theta", "lora_A", "lora_B"];
        Assert.All(blocks, block => Assert.Equal(parts, block.Components.Keys.Order(StringComparer.Ordinal)));
    }
}
