using Peft.Orleans.Core.Runs;
using Peft.Orleans.Kernels.Tests.Goldens;
using Peft.Orleans.Kernels.Tests.Models;
using Peft.Orleans.Kernels.Versions;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Methods;

public class SgdTests
{
    [Theory]
    [InlineData(0.0, null)]
    [InlineData(0.1, 0.05)]
    public void A_step_is_plain_gradient_descent_without_moments(double weightDecay, double? clip)
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel();
        var spec = Specs.Lora(model.Folder, ["q_proj", "down_proj"], 3, 6);
        spec = spec with
        {
            Training = spec.Training with
            {
                MaxGradNorm = clip,
                Optimizer = new OptimizerSpec { Name = OptimizerName.Sgd, WeightDecay = weightDecay },
            },
        };
        using var pipeline = new LocalPipeline(spec);
        pipeline.Initialize();
        Assert.All(pipeline.Versions, static version => Assert.Equal(0, version.FirstMoment.numel() + version.SecondMoment.numel()));
        var batch = Batches.Of([TinyModel.Ids(new Random(1), 12)]);
        for (var step = 1; step <= 3; step++)
        {
            var before = pipeline.Versions.Select(static version => version.Parameters.to(float64)).ToArray();
            var (_, gradients) = pipeline.Gradients([batch], step);
            var (_, norm, _) = pipeline.Step(step, [batch], 0.5);
            var factor = clip is { } limit ? Math.Min(1, limit / (norm + 1e-6)) : 1;
            Assert.True(clip is null || factor < 1);
            for (var layer = 0; layer < before.Length; layer++)
            {
                // Only matrices here: everything decays. Embedding and head train nothing.
                if (before[layer].numel() > 0)
                    Compare.Within(
                        pipeline.Versions[layer].Parameters,
                        before[layer] - ((gradients[layer].to(float64) * factor) + (before[layer] * weightDecay)) * 0.5,
                        1e-6
                    );
                gradients[layer].Dispose();
            }
        }
    }

    [Fact]
    public void Each_parameter_group_and_epsilon_factor_has_its_own_step()
    {
        using var scope = NewDisposeScope();
        var builder = new LayoutBuilder();
        ParameterSlot[] slots =
        [
            builder.Trainable("plain", [3, 5]),
            builder.Trainable("doubled", [4, 4], new SlotOptions { EpsilonFactor = 2 }),
            builder.Trainable("angles", [2, 3, 4], new SlotOptions { Group = ParameterGroup.Rotation }),
        ];
        var layout = builder.Build(moments: true);
        using var current = new LayerVersion(layout, CPU);
        using var next = new LayerVersion(layout, CPU);
        // A gradient of ε's size: m̂ / (√v̂ + ε) of the first step is 1/2, and 1/3 with twice the ε.
        const double Epsilon = 1e-3;
        var gradient = zeros(layout.Size);
        foreach (var slot in slots)
            slot.View(gradient).fill_(Epsilon);
        new FlatOptimizer(new OptimizerSpec { Eps = Epsilon }, layout).Apply(
            current,
            next,
            gradient,
            new OptimizerStep(1, 1, [0.1, 0.3], [])
        );
        foreach (var (slot, expected) in slots.Zip([-0.05, -0.1 / 3, -0.15]))
            Compare.Within(slot.View(next.Parameters), full(slot.Shape, expected), 1e-6);
        new FlatOptimizer(new OptimizerSpec { Name = OptimizerName.Sgd }, layout).Apply(
            current,
            next,
            gradient,
            new OptimizerStep(1, 0.5, [0.1, 0.3], [])
        );
        foreach (var (slot, rate) in slots.Zip([0.1, 0.1, 0.3]))
            Compare.Within(slot.View(next.Parameters), full(slot.Shape, -rate * 0.5 * Epsilon), 1e-9);
    }
}
