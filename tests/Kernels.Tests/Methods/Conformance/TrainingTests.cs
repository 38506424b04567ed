using Peft.Orleans.Core;
using Peft.Orleans.Core.Planning;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Runs;
using Peft.Orleans.Kernels.Tests.Models;
using static Peft.Orleans.Kernels.Tests.Methods.Conformance.MethodRun;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Methods.Conformance;

/// <summary>Training, the number of parameters and what is refused before it.</summary>
public class TrainingTests
{
    [Theory, MemberData(nameof(MethodCase.Names), MemberType = typeof(MethodCase))]
    public void Both_optimizers_lower_the_loss(string name)
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel();
        foreach (var (optimizer, rate) in new[] { (OptimizerName.AdamW, 3e-3), (OptimizerName.Sgd, 0.03) })
        {
            var spec = Specs.Of(model.Folder, MethodCase.Of(name).Method);
            using var pipeline = Start(
                spec with
                {
                    Training = spec.Training with { Optimizer = spec.Training.Optimizer with { Name = optimizer } },
                }
            );
            var before = pipeline.Loss(Sample(1));
            for (var step = 1; step <= 10; step++) pipeline.Step(step, [Sample(1)], rate);
            Assert.True(pipeline.Loss(Sample(1)) < before - 1e-3, $"{optimizer}: {before} became {pipeline.Loss(Sample(1))}");
        }
    }

    [Theory, MemberData(nameof(MethodCase.Names), MemberType = typeof(MethodCase))]
    public void The_number_of_parameters_is_the_memory_models(string name)
    {
        using var model = new TinyModel();
        var spec = Specs.Of(model.Folder, MethodCase.Of(name).Method);
        using var pipeline = new LocalPipeline(spec);
        var run = RunResolver.Resolve(spec, pipeline.Model, threads: 1);
        var predicted = MemoryModel.Layers(run, columns: 16, inFlight: 1);
        Assert.Equal(predicted.Length, pipeline.Shards.Count);
        // Two versions of four bytes a parameter.
        Assert.Equal(
            predicted.Select(static layer => layer.Trainable / 8),
            pipeline.Shards.Select(static shard => shard.Layout.Trainable.Sum(static slot => slot.Count))
        );
    }

    [Theory, MemberData(nameof(MethodCase.Names), MemberType = typeof(MethodCase))]
    public void Wrong_options_are_refused_by_name(string name)
    {
        using var model = new TinyModel();
        foreach (var (method, part) in MethodCase.Of(name).Refused)
            Assert.Contains(part, Assert.Throws<PeftException>(() => new LocalPipeline(Specs.Of(model.Folder, method))).Message);
    }
}
