using Peft.Orleans.Kernels.Tests.Methods.Conformance;
using Peft.Orleans.Kernels.Tests.Models;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Methods;

/// <summary>
/// Dropout on the input of the low-rank path: a function of the microbatch's place in the run, the same forward and backward, absent in
/// evaluation.
/// </summary>
public class DropoutTests
{
    public static TheoryData<string> Cases => ["lora", "lora dora", "lora_ga Stable", "hybrid"];

    [Theory, MemberData(nameof(Cases))]
    public void The_gradient_is_that_of_the_masked_loss(string name)
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel();
        var item = MethodCase.Of(name);
        using var pipeline = Start(model, item, 0.3);
        var batch = MethodRun.Sample(3);
        var (_, gradients) = pipeline.Gradients([batch]);
        for (var layer = 1; layer <= TinyModel.Layers; layer++)
        {
            var version = pipeline.Versions[layer];
            foreach (
                var slot in pipeline
                    .Shards[layer]
                    .Layout.Trainable.Where(slot =>
                        slot.Name.Contains(".lora_", StringComparison.Ordinal) && !item.Detached.Any(slot.Name.Contains)
                    )
            )
            {
                using var inner = NewDisposeScope();
                var gradient = gradients[layer].narrow(0, slot.Offset, slot.Count);
                var norm = gradient.norm().item<float>();
                var parameters = version.Parameters.narrow(0, slot.Offset, slot.Count);
                var (before, direction) = (parameters.clone(), gradient / norm);
                double At(double distance)
                {
                    parameters.copy_(before.add(direction.mul(distance)));
                    version.Invalidate();
                    var (loss, unused) = pipeline.Gradients([batch]);
                    foreach (var tensor in unused) tensor.Dispose();
                    return loss;
                }

                const double H = 0.02;
                var slope = ((8 * (At(H) - At(-H))) - (At(2 * H) - At(-2 * H))) / (12 * H);
                At(0);
                Assert.True(Math.Abs(slope - norm) <= Math.Max(0.01 * norm, 1e-4), $"{slot.Name}: norm {norm:E4}, slope {slope:E4}");
            }
        }

        foreach (var gradient in gradients) gradient.Dispose();
    }

    [Theory, MemberData(nameof(Cases))]
    public void Masks_belong_to_step_and_microbatch_and_evaluation_has_none(string name)
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel();
        using var masked = Start(model, MethodCase.Of(name), 0.3);
        using var plain = Start(model, MethodCase.Of(name), 0);
        var batch = MethodRun.Sample(3);
        double Training(LocalPipeline pipeline, int step, int copies = 1)
        {
            var (loss, gradients) = pipeline.Gradients([.. Enumerable.Repeat(batch, copies)], step);
            foreach (var gradient in gradients) gradient.Dispose();
            return loss;
        }

        Assert.Equal(plain.Loss(batch), masked.Loss(batch));
        Assert.Equal(Training(masked, 1), Training(masked, 1));
        Assert.NotEqual(Training(masked, 1), Training(masked, 2));
        Assert.NotEqual(Training(masked, 1), Training(masked, 1, copies: 2));
        Assert.Equal(Training(plain, 1), Training(plain, 2));
        // Kept entries are scaled up: over many masks the loss lies around the one without.
        var mean = Enumerable.Range(1, 40).Average(step => Training(masked, step));
        Assert.InRange(Math.Abs(mean - Training(plain, 1)), 0, 0.05);
    }

    private static LocalPipeline Start(TinyModel model, MethodCase item, double dropout)
    {
        var pipeline = MethodRun.Start(Specs.Of(model.Folder, item.Method with { Lora = item.Method.Lora with { Dropout = dropout } }));
        MethodRun.Disturb(pipeline);
        return pipeline;
    }
}
