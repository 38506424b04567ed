using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Tests.Goldens;
using Peft.Orleans.Kernels.Tests.Models;
using static Peft.Orleans.Kernels.Tests.Methods.Conformance.MethodRun;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Methods.Conformance;

/// <summary>Every method on every other family: its start, its training, its files, its bits.</summary>
public class FamilyTests
{
    [Theory, MemberData(nameof(FamilyCase.Cases), MemberType = typeof(FamilyCase))]
    public void A_method_starts_trains_and_writes_what_it_computes(string family, string name)
    {
        using var scope = NewDisposeScope();
        using var model = new RandomModel(FamilyCase.Of(family).Config);
        var item = MethodCase.Of(name);
        var spec = Specs.Of(model.Folder, FamilyCase.Of(family).Named(item.Method));
        using var plain = new LocalPipeline(Specs.Lora(model.Folder, [], 1, 1));
        using var pipeline = Start(spec);
        var (batch, started) = (Sample(1), pipeline.Loss(Sample(1)));
        var difference = Math.Abs(started - plain.Loss(batch));
        Assert.True(item.StartsAsBase ? difference < 1e-5 : difference > 1e-3, $"starts {difference:E2} from its base");

        for (var step = 1; step <= 5; step++) pipeline.Step(step, [batch], 3e-3);
        Assert.True(pipeline.Loss(batch) < started - 1e-3, $"{started} became {pipeline.Loss(batch)}");
        var logits = pipeline.Logits(batch);
        var limit = 1e-5 * logits.abs().max().item<float>();
        using var merged = WriteModel(model.Folder, pipeline);
        using var whole = new LocalPipeline(Specs.Lora(merged.Path, [], 1, 1));
        Compare.Within(whole.Logits(batch), logits, limit);
        Generates(pipeline, limit);
        if (spec.Method.Name == MethodName.Full) return;
        using var folder = WriteAdapter(spec, pipeline.Export());
        var adapter = AdapterTensors.Read(folder.Path);
        using var loaded = new LocalPipeline(Continued(spec, folder.Path));
        loaded.Initialize(adapter);
        Compare.Within(loaded.Logits(batch), logits, limit);
    }

    [Theory, MemberData(nameof(FamilyCase.Cases), MemberType = typeof(FamilyCase))]
    public void Bits_depend_neither_on_order_nor_on_recomputation_and_packed_samples_are_alone(string family, string name)
    {
        using var scope = NewDisposeScope();
        using var model = new RandomModel(FamilyCase.Of(family).Config);
        var spec = Specs.Of(model.Folder, FamilyCase.Of(family).Named(MethodCase.Of(name).Method));
        using var pipeline = Start(spec);
        using var recomputing = Start(spec with { Training = spec.Training with { Recompute = RecomputePolicy.Always } });
        Disturb(pipeline);
        Disturb(recomputing);
        Microbatch[] batches = [Sample(1), Sample(2), Sample(3)];
        var (loss, expected) = pipeline.Gradients(batches);
        foreach (var (_, actual) in new[] { pipeline.Gradients(batches, order: [2, 0, 1]), recomputing.Gradients(batches) })
        {
            for (var layer = 0; layer < expected.Length; layer++)
                Assert.True(expected[layer].eq(actual[layer]).all().item<bool>(), $"layer {layer}");
            foreach (var gradient in actual) gradient.Dispose();
        }

        // The same samples in one row.
        int[] lengths = [.. batches.Select(static batch => batch.Columns)];
        var packed = Batches.Of([[.. batches.SelectMany(static batch => batch.InputIds)]], lengths: [lengths]);
        var (packedLoss, gradients) = pipeline.Gradients([packed]);
        Assert.Equal(loss, packedLoss, 1e-5);
        for (var layer = 0; layer < expected.Length; layer++)
        {
            if (expected[layer].numel() > 0) Compare.Close($"layer {layer}", gradients[layer], expected[layer], 2e-5);
            gradients[layer].Dispose();
            expected[layer].Dispose();
        }
    }

    /// <summary>With a cache, and beside a longer prompt, the next token has the logits of a whole pass.</summary>
    private static void Generates(LocalPipeline pipeline, double limit)
    {
        int[][] prompts = [TinyModel.Ids(new Random(7), 9), TinyModel.Ids(new Random(8), 5)];
        int[] more = [3, 4];
        var (first, second) = pipeline.CachedLogits(prompts, more);
        for (var row = 0; row < prompts.Length; row++)
        {
            var logits = pipeline.Logits(Batches.Of([[.. prompts[row], more[row]]]));
            Compare.Within(first[row], logits[prompts[row].Length - 1], limit);
            Compare.Within(second[row], logits[prompts[row].Length], limit);
        }
    }
}
