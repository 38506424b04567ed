using Peft.Orleans.Core.Planning;
using Peft.Orleans.Core.Runs;
using Xunit;

namespace Peft.Orleans.Core.Tests.Planning;

public class MemoryModelTests
{
    private static readonly ModelDimensions Model = new()
    {
        HiddenSize = 512,
        IntermediateSize = 1024,
        Blocks = 2,
        Heads = 8,
        KeyValueHeads = 8,
        HeadDim = 64,
        Vocabulary = 256,
        Tied = true,
    };

    [Fact]
    public void A_whole_gradient_estimate_counts_where_it_is_more_than_training_needs()
    {
        var exact = Block(GradientEstimate.Exact);
        Assert.Equal(4L * ((4 * 512 * 512) + (3 * 512 * 1024)), exact.Estimate);
        Assert.Equal(exact.Base + exact.Estimate, exact.Held);
        var sketch = Block(GradientEstimate.Sketch);
        Assert.Equal(0, sketch.Estimate);
        Assert.Equal(sketch.Base + sketch.Trainable + sketch.Optimizer + sketch.Gradient + sketch.Activations, sketch.Held);
        Assert.True(exact.Held > sketch.Held);
    }

    [Fact]
    public void Only_adapted_modules_are_estimated() =>
        Assert.Equal(4L * 512 * 512, Block(GradientEstimate.Exact, "q_proj").Estimate);

    private static LayerMemory Block(GradientEstimate estimate, string modules = "all-linear") => MemoryModel.Layers(Model, new RunSpec
    {
        Name = "memory",
        Model = new ModelSpec { Path = "model", Dtype = WeightType.BFloat16 },
        Data = new DataSpec { Train = new DataSource { Path = "none", Format = DataFormat.Tokens } },
        Method = new MethodSpec { Name = MethodName.LoraGa, TargetModules = [modules], Lora = new LoraSpec { Rank = 4 }, LoraGa = new LoraGaSpec { GradientEstimate = estimate } },
        Training = new TrainingSpec { Steps = 1, GlobalBatch = 1, Microbatch = 1 },
    }, columns: 16, inFlight: 1)[1];
}
