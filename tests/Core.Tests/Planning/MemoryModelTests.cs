using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Models;
using Peft.Orleans.Core.Planning;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Tests;
using Xunit;

namespace Peft.Orleans.Core.Tests.Planning;

public class MemoryModelTests
{
    private static readonly ModelDimensions Model =
        LlamaShaped.Of(hidden: 512, wide: 1024, blocks: 2, heads: 8, keyValueHeads: 8, vocabulary: 256, tied: true);

    [Fact]
    public void A_whole_gradient_estimate_counts_where_it_is_more_than_training_needs()
    {
        var exact = Block(GradientEstimate.Exact);
        Assert.Equal(4L * ((4 * 512 * 512) + (3 * 512 * 1024)), exact.Estimate);
        Assert.Equal(exact.Base + exact.Estimate, exact.Estimating);
        Assert.True(exact.Estimating > exact.Training);
        var sketch = Block(GradientEstimate.Sketch);
        Assert.Equal(0, sketch.Estimate);
        Assert.Equal(sketch.Base + sketch.Trainable + sketch.Optimizer + sketch.Gradient + sketch.Activations, sketch.Training);
        Assert.Equal(exact.Training, sketch.Training);
    }

    [Fact]
    public void A_large_estimate_is_held_by_halves()
    {
        // 2 blocks of 10 MB are estimated at once, 8 of them in two passes.
        Assert.Equal(1, Layers(GradientEstimate.Exact)[1].EstimateParts);
        var layers = Layers(GradientEstimate.Exact, blocks: 8);
        Assert.Equal(2, layers[1].EstimateParts);
        int[] blocks = [1, 2, 3, 4, 5, 6, 7, 8];
        Assert.Equal((4 * layers[1].Estimating) + (4 * layers[1].Training) + layers[1].Workspace, MemoryModel.Resident(blocks, layers));
        Assert.Equal((2 * layers[1].Estimating) + layers[1].Workspace, MemoryModel.Resident([1, 3], layers));
        Assert.Equal(0, MemoryModel.Resident([], layers));
        var sketch = Layers(GradientEstimate.Sketch, blocks: 8);
        Assert.Equal((8 * sketch[1].Training) + sketch[1].Workspace, MemoryModel.Resident(blocks, sketch));
    }

    [Fact]
    public void Only_adapted_modules_are_estimated() =>
        Assert.Equal(4L * 512 * 512, Block(GradientEstimate.Exact, "q_proj").Estimate);

    [Fact]
    public void Base_outputs_that_a_rotation_reads_are_counted_once()
    {
        long Activations(MethodSpec method) => Layers(method, blocks: 2)[1].Activations;
        var lora = Activations(new MethodSpec { Name = MethodName.Lora });
        // bf16, 16 tokens. Hybrid's base outputs stand for the outputs that are made again from them: gate's and up's, and q's, k's and v's
        // where all three are adapted; o's is made again.
        Assert.Equal(lora + (2L * 16 * 512), Activations(new MethodSpec { Name = MethodName.Hybrid }));
        Assert.Equal(
            lora + (2L * 16 * 2 * 512),
            Activations(new MethodSpec { Name = MethodName.Hybrid, TargetModules = ["q_proj", "v_proj"] })
        );
        Assert.Equal(lora, Activations(new MethodSpec { Name = MethodName.Hybrid, TargetModules = ["gate_proj", "up_proj"] }));
        Assert.Equal(lora + (2L * 16 * ((5 * 512) + (2 * 1024))), Activations(new MethodSpec { Name = MethodName.Boft }));
    }

    [Fact]
    public void Queries_and_keys_before_their_norms_are_counted_where_they_are_kept()
    {
        long More(MethodSpec method) => Layers(method, 2, normed: true)[1].Activations - Layers(method, 2)[1].Activations;
        Assert.Equal(2L * 16 * 2 * 512, More(new MethodSpec { Name = MethodName.Lora }));
        // Hybrid makes them again where it adapts them.
        Assert.Equal(0, More(new MethodSpec { Name = MethodName.Hybrid }));
        Assert.Equal(2L * 16 * 512, More(new MethodSpec { Name = MethodName.Hybrid, TargetModules = ["q_proj", "up_proj"] }));
    }

    private static LayerMemory Block(GradientEstimate estimate, string modules = "all-linear") => Layers(estimate, modules)[1];

    private static LayerMemory[] Layers(GradientEstimate estimate, string modules = "all-linear", int blocks = 2) =>
        Layers(
            new MethodSpec
            {
                Name = MethodName.LoraGa,
                TargetModules = [modules],
                Lora = new LoraSpec { Rank = 4 },
                LoraGa = new LoraGaSpec { GradientEstimate = estimate },
            },
            blocks
        );

    private static LayerMemory[] Layers(MethodSpec method, int blocks, bool normed = false)
    {
        var spec = new RunSpec { Method = method, Training = new TrainingSpec { Steps = 1, GlobalBatch = 1, Microbatch = 1 } };
        var model = Model with { Blocks = blocks, NormsHeads = normed };
        var run = ResolvedRun.Of(spec, model, WeightType.BFloat16, ProductType.Native, threads: 1);
        return MemoryModel.Layers(run, columns: 16, inFlight: 1);
    }
}
