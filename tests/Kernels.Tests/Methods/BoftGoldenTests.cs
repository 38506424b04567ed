using Peft.Orleans.Core.Methods;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Tests.Goldens;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Methods;

/// <summary>
/// BOFT against PEFT's own files. PEFT trains an unconstrained R and uses its skew part K; θ is the strict upper triangle of −K.
/// </summary>
public class BoftGoldenTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Trains_as_PEFT_trains_it(int factors)
    {
        var golden = new Golden($"peft-boft-m{factors}");
        var sensitive = factors == 3; // Adam amplifies gradients that are almost zero
        using var scope = NewDisposeScope();
        var method = new MethodSpec
        {
            Name = MethodName.Boft,
            TargetModules = ["q_proj", "v_proj", "down_proj"],
            Boft = new BoftSpec { BlockSize = 4, ButterflyFactors = factors },
            InitialAdapter = "given",
        };
        using var pipeline = new LocalPipeline(Specs.Of(Path.Combine(golden.Folder, "base"), method));
        var adapter = AdapterTensors.Read(Path.Combine(golden.Folder, "initial"));
        pipeline.Initialize(adapter);
        var initial = pipeline.Export();
        Assert.Equal(adapter.Names.Order(), initial.Keys.Order());
        foreach (var (name, value) in initial)
        {
            Assert.Equal(adapter.ShapeOf(name), value.shape);
            Compare.Within(value, Effective(name, adapter.Get(name)), 1e-7);
        }

        var all = Batches.Of(golden["input_ids"].select(0, 0), golden["labels"].select(0, 0));
        Compare.Within(pipeline.Logits(all), golden["logits_initial"], 2e-5);
        var (_, gradients) = pipeline.Gradients([all]);
        foreach (var key in golden.Names.Where(static key => key.StartsWith("grad.", StringComparison.Ordinal)))
        {
            var name = key["grad.".Length..];
            var ours = pipeline.Gradient(gradients, name);
            if (IsRotation(name)) Compare.Close(key, ours * -0.5, Upper(golden[key]), 2e-5);
            else Compare.Close(key, ours, golden[key], 2e-5);
        }

        foreach (var gradient in gradients) gradient.Dispose();

        var losses = Golden.Numbers(golden.Training.GetProperty("losses"));
        var norms = Golden.Numbers(golden.Training.GetProperty("gradient_norms"));
        var rates = Golden.Numbers(golden.Training.GetProperty("learning_rates"));
        for (var step = 1; step <= losses.Length; step++)
        {
            var batches = Batches.EachRow(golden["input_ids"].select(0, step - 1), golden["labels"].select(0, step - 1));
            Assert.Equal(norms[step - 1], PeftNorm(pipeline, batches), (sensitive ? 1e-4 : 1e-5) * norms[step - 1]);
            var (loss, _, _) = pipeline.Step(step, batches, rates[step - 1]);
            Assert.Equal(losses[step - 1], loss, step == 1 ? 5e-6 : 1e-5);
        }

        var final = pipeline.Export();
        var reference = AdapterTensors.Read(Path.Combine(golden.Folder, "final"));
        var (error, way) = (0.0, 0.0);
        foreach (var (name, value) in final)
        {
            var expected = Effective(name, reference.Get(name));
            TrainingGoldenTests.Moved(name, value, expected, initial[name], sensitive ? 5e-3 : 1e-3);
            error += Math.Pow(Compare.Distance(value, expected), 2);
            way += Math.Pow(Compare.Distance(expected, initial[name]), 2);
        }

        Assert.True(Math.Sqrt(error) <= 1e-3 * Math.Sqrt(way));
        Compare.Within(pipeline.Logits(all), golden["logits_final"], sensitive ? 1e-3 : 5e-5);
        TrainingGoldenTests.Free(initial, final);
    }

    private static bool IsRotation(string name) => name.EndsWith("boft_R", StringComparison.Ordinal);

    /// <summary>What a tensor of PEFT's file does: K for R.</summary>
    private static Tensor Effective(string name, Tensor value) => IsRotation(name) ? (value - value.transpose(-2, -1)) / 2 : value;

    /// <summary>The strict upper triangles of <c>[…, b, b]</c>, row by row.</summary>
    private static Tensor Upper(Tensor blocks)
    {
        var b = (int)blocks.shape[^1];
        var places = (from i in Enumerable.Range(0, b) from j in Enumerable.Range(i + 1, b - i - 1) select (long)((i * b) + j)).ToArray();
        return blocks.flatten(-2, -1).index_select(-1, tensor(places, int64));
    }

    /// <summary>PEFT's gradient norm: ½‖g_θ‖² + ‖g_s‖².</summary>
    private static double PeftNorm(LocalPipeline pipeline, IReadOnlyList<Core.Batches.Microbatch> batches)
    {
        var (_, gradients) = pipeline.Gradients(batches);
        var squared = pipeline.Shards.SelectMany(static shard => shard.Layout.Trainable)
            .Sum(slot => Math.Pow(Compare.Norm(pipeline.Gradient(gradients, slot.Name)), 2) * (IsRotation(slot.Name) ? 0.5 : 1));
        foreach (var gradient in gradients) gradient.Dispose();
        return Math.Sqrt(squared);
    }
}
