using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Kernels.Tests.Goldens;
using Peft.Orleans.Kernels.Tests.Models;
using TorchSharp;
using static Peft.Orleans.Kernels.Tests.Methods.Conformance.MethodRun;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Methods.Conformance;

/// <summary>Gradients: right, of the same bits in any order, and near in half types.</summary>
public class GradientTests
{
    [Theory, MemberData(nameof(MethodCase.Names), MemberType = typeof(MethodCase))]
    public void Gradients_are_finite_differences_of_the_float64_loss_of_merged_weights(string name)
    {
        var item = MethodCase.Of(name);
        using var scope = NewDisposeScope();
        using var model = new TinyModel();
        using var pipeline = Start(Specs.Of(model.Folder, item.Method));
        Disturb(pipeline);
        var batch = Sample(3);
        var (_, gradients) = pipeline.Gradients([batch]);
        double Loss()
        {
            using var inner = NewDisposeScope();
            var weights = new Dictionary<string, Tensor>();
            foreach (var (weight, value) in Merged(pipeline))
            {
                weights[weight] = value.to(float64);
                value.Dispose();
            }

            return new ReferenceModel(weights, module => weights[$"{module}.weight"], false).LossSum([batch.InputIds]).item<double>()
                / batch.TargetTokens;
        }

        for (var layer = 0; layer < pipeline.Shards.Count; layer++)
        {
            var version = pipeline.Versions[layer];
            foreach (var slot in pipeline.Shards[layer].Layout.Trainable.Where(slot => !item.Detached.Any(slot.Name.Contains)))
            {
                using var inner = NewDisposeScope();
                var gradient = gradients[layer].narrow(0, slot.Offset, slot.Count);
                var norm = gradient.norm().item<float>();
                Assert.True(norm > 1e-6, $"{slot.Name}: no gradient");
                var parameters = version.Parameters.narrow(0, slot.Offset, slot.Count);
                var (before, direction) = (parameters.clone(), gradient / norm);
                double At(double distance)
                {
                    parameters.copy_(before.to(float64).add(direction.to(float64).mul(distance)));
                    version.Invalidate();
                    return Loss();
                }

                // The derivative along the gradient is the gradient's norm; four points, error O(h⁴).
                const double H = 0.01;
                var slope = ((8 * (At(H) - At(-H))) - (At(2 * H) - At(-2 * H))) / (12 * H);
                At(0);
                Assert.True(Math.Abs(slope - norm) <= Math.Max(2e-3 * norm, 2e-6), $"{slot.Name}: norm {norm:E4}, slope {slope:E4}");
            }
        }

        foreach (var gradient in gradients) gradient.Dispose();
    }

    [Theory, MemberData(nameof(MethodCase.Names), MemberType = typeof(MethodCase))]
    public void Gradients_have_the_same_bits_whatever_the_order_and_with_recomputation(string name)
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel();
        var spec = Specs.Of(model.Folder, MethodCase.Of(name).Method);
        using var pipeline = Start(spec);
        using var recomputing = Start(spec with { Training = spec.Training with { Recompute = RecomputePolicy.Always } });
        Disturb(pipeline);
        Disturb(recomputing);
        Microbatch[] batches = [Sample(1), Sample(2), Sample(3)];
        var (_, expected) = pipeline.Gradients(batches);
        foreach (var (_, actual) in new[] { pipeline.Gradients(batches, order: [2, 0, 1]), recomputing.Gradients(batches) })
        {
            for (var layer = 0; layer < expected.Length; layer++)
                Assert.True(expected[layer].eq(actual[layer]).all().item<bool>(), $"layer {layer}");
            foreach (var gradient in actual)
                gradient.Dispose();
        }

        foreach (var gradient in expected) gradient.Dispose();
    }

    [Theory, MemberData(nameof(MethodCase.Names), MemberType = typeof(MethodCase))]
    public void Half_types_follow_float32(string name)
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel();
        var method = MethodCase.Of(name).Method;
        using var exact = Start(Specs.Of(model.Folder, method));
        Disturb(exact);
        var (loss, expected) = exact.Gradients([Sample(1)]);
        foreach (var products in new[] { ProductType.Native, ProductType.Float32 })
        {
            using var half = Start(Specs.Of(model.Folder, method, WeightType.BFloat16, products));
            for (var layer = 0; layer < expected.Length; layer++)
            {
                half.Versions[layer].Parameters.copy_(exact.Versions[layer].Parameters);
                half.Versions[layer].Constants.copy_(exact.Versions[layer].Constants);
                exact.Versions[layer].Lambda.CopyTo(half.Versions[layer].Lambda, 0);
                half.Versions[layer].Invalidate();
            }

            var (halfLoss, actual) = half.Gradients([Sample(1)]);
            Assert.Equal(loss, halfLoss, 0.02 * loss);
            for (var layer = 0; layer < expected.Length; layer++)
            {
                var distance = Compare.Distance(actual[layer], expected[layer]);
                Assert.True(
                    distance <= 0.05 * Compare.Norm(expected[layer]),
                    $"layer {layer}, products {products}: {distance / Compare.Norm(expected[layer]):P1} off"
                );
                actual[layer].Dispose();
            }
        }

        foreach (var gradient in expected) gradient.Dispose();
    }
}
