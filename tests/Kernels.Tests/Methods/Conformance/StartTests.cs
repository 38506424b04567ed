using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Tests.Goldens;
using Peft.Orleans.Kernels.Tests.Models;
using static Peft.Orleans.Kernels.Tests.Methods.Conformance.MethodRun;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Methods.Conformance;

/// <summary>Step 0: every method starts as its base, and training never touches that base.</summary>
public class StartTests
{
    [Fact]
    public void Every_registered_method_is_in_the_table() =>
        Assert.Empty(AdapterMethods.Names.Except(MethodCase.All.Select(static item => item.Method.Name)));

    [Theory, MemberData(nameof(MethodCase.Names), MemberType = typeof(MethodCase))]
    public void The_model_starts_as_its_base(string name)
    {
        var item = MethodCase.Of(name);
        using var scope = NewDisposeScope();
        using var model = new TinyModel(bias: true);
        using var plain = new LocalPipeline(Specs.Lora(model.Folder, [], 1, 1));
        using var adapted = Start(Specs.Of(model.Folder, item.Method));
        var expected = plain.Logits(Sample(1));
        var difference = Compare.LargestDifference(adapted.Logits(Sample(1)), expected) / expected.abs().max().item<float>();
        if (item.StartsAsBase) Assert.True(difference <= 1e-6, $"logits are {difference:E2} off, relative to the largest");
        else Assert.True(difference > 1e-2, "the weights were to be replaced");
    }

    [Theory, MemberData(nameof(MethodCase.Names), MemberType = typeof(MethodCase))]
    public void Training_leaves_the_base_alone(string name)
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel(bias: true);
        using var pipeline = Start(Specs.Of(model.Folder, MethodCase.Of(name).Method));
        var before = pipeline.Logits(Sample(1));
        Train(pipeline, 3);
        Assert.True(Compare.LargestDifference(pipeline.Logits(Sample(1)), before) > 1e-4);
        // The same shards with version 0 again: without what was trained the model is where it started, bit by bit.
        pipeline.Initialize(samples: EstimateSamples);
        Assert.True(pipeline.Logits(Sample(1)).eq(before).all().item<bool>());
    }
}
