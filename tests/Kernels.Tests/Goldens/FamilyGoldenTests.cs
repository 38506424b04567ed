using System.Text.Json;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Checks;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.SafeTensors;
using Peft.Orleans.Tests;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Goldens;

/// <summary>Whole models of every family against values of transformers.</summary>
public class FamilyGoldenTests
{
    [Theory]
    [InlineData("llama-gqa")]
    [InlineData("llama-mha-tied")]
    [InlineData("llama-bias")]
    [InlineData("llama-head-dim")]
    [InlineData("llama-rope-llama3")]
    [InlineData("llama-rope-linear")]
    [InlineData("bloom-8-heads", 2e-6)]
    [InlineData("bloom-6-heads", 2e-6)]
    [InlineData("bloom-residual", 2e-6)]
    public void Hidden_states_logits_loss_gradients_and_greedy_text(string name, double limit = 2e-5)
    {
        var golden = new Golden(name);
        Check(golden, golden.Folder, limit);
    }

    [Theory, MemberData(nameof(FamilyGoldens.All), MemberType = typeof(FamilyGoldens))]
    public void Of_other_families_and_RoPE_in_both_spellings(string name, bool older)
    {
        var golden = new Golden(name);
        using var folder = FamilyGoldens.Folder(golden, older);
        Check(golden, folder.Path, 2e-5);
    }

    /// <summary>
    /// A bare decoder's checkpoint (AutoModel), whose names lack what the causal model has before them, and a tied head that is there by
    /// itself: the same bits.
    /// </summary>
    [Theory]
    [InlineData("bloom-8-heads", "transformer.")]
    [InlineData("bloom-residual", "transformer.")]
    [InlineData("qwen2-tied", "model.")]
    [InlineData("mistral-sliding", "model.")]
    public void Names_without_the_prefix_and_a_tied_head_by_itself_change_no_bit(string name, string prefix)
    {
        var golden = new Golden(name);
        using var scope = NewDisposeScope();
        var tensors = Directory.EnumerateFiles(golden.Folder, "model*.safetensors").SelectMany(static file =>
            SafeTensorsHeader.Read(file).Entries.Values.Select(entry => (entry, file))).ToArray();
        var batch = Batches.Of(golden["input_ids"], golden["labels"]);
        var (expected, gradients) = Of(golden.Folder);
        foreach (var (bare, head) in ((bool, bool)[])[(true, false), (true, true), (false, true)])
        {
            using var folder = new TemporaryFolder();
            File.Copy(Path.Combine(golden.Folder, "config.json"), folder.File("config.json"));
            var written = tensors.Select(tensor => Copy(tensor.entry, tensor.file, bare ? Bare(tensor.entry.Name) : tensor.entry.Name));
            if (head && tensors.All(static tensor => tensor.entry.Name != "lm_head.weight"))
            {
                var embedding = tensors.Single(static tensor => tensor.entry.Name.Contains("embed") && tensor.entry.Shape.Length == 2);
                written = written.Append(Copy(embedding.entry, embedding.file, "lm_head.weight"));
            }

            SafeTensorsWriter.Write(folder.File("model.safetensors"), [.. written]);
            Assert.Equal(!bare, SafeTensorsHeader.Read(folder.File("model.safetensors")).Entries.Keys.Any(IsPrefixed));
            WeightChecks.Check(ModelFolder.Open(folder.Path));
            var (logits, again) = Of(folder.Path);
            Assert.True(logits.eq(expected).all().item<bool>(), $"bare {bare}, head {head}: other logits");
            foreach (var (one, other) in gradients.Zip(again)) Assert.True(one.eq(other).all().item<bool>(), $"bare {bare}, head {head}");
        }

        bool IsPrefixed(string tensor) => tensor.StartsWith(prefix, StringComparison.Ordinal);

        string Bare(string tensor) => IsPrefixed(tensor) ? tensor[prefix.Length..] : tensor;

        (Tensor Logits, Tensor[] Gradients) Of(string folder)
        {
            using var pipeline = new LocalPipeline(Specs.Full(folder));
            pipeline.Initialize();
            return (pipeline.Logits(batch), pipeline.Gradients([batch]).Gradients);
        }

        static SafeTensorsTensor Copy(SafeTensorsEntry entry, string file, string name) => new(
            name, entry.Type, entry.Shape, stream => stream.Write(SafeTensorsHeader.Read(file).ReadBytes(entry.Name)));
    }

    private static void Check(Golden golden, string folder, double limit)
    {
        using var scope = NewDisposeScope();
        using var pipeline = new LocalPipeline(Specs.Full(folder));
        pipeline.Initialize();
        var batch = Batches.Of(golden["input_ids"], golden["labels"]);

        var states = pipeline.HiddenStates(batch);
        for (var layer = 0; layer < states.Count - 1; layer++)
            Compare.Close($"hidden.{layer}", states[layer], golden[$"hidden.{layer}"], limit);
        Compare.Within(pipeline.Logits(batch), golden["logits"], limit);
        Assert.Equal(golden["loss"].item<float>(), pipeline.Loss(batch), 5e-6);

        var (loss, gradients) = pipeline.Gradients([batch]);
        Assert.Equal(golden["loss"].item<float>(), loss, 5e-6);
        foreach (var key in golden.Names.Where(static key => key.StartsWith("grad.", StringComparison.Ordinal)))
            Compare.Close(key, pipeline.Gradient(gradients, key["grad.".Length..]), golden[key], 2e-5);
        foreach (var gradient in gradients) gradient.Dispose();

        using var greedy = JsonDocument.Parse(File.ReadAllText(Path.Combine(golden.Folder, "greedy.json")));
        int[] Ids(string key) => [.. greedy.RootElement.GetProperty(key).EnumerateArray().Select(static id => id.GetInt32())];
        Assert.Equal(Ids("greedy"), pipeline.Greedy(Ids("prompt"), 20));
    }

    [Fact]
    public void Packed_samples_do_not_see_each_other()
    {
        var golden = new Golden("llama-packed");
        using var scope = NewDisposeScope();
        using var pipeline = new LocalPipeline(Specs.Full(golden.Folder));
        pipeline.Initialize();
        var lengths = golden["lengths"].data<long>().Select(static length => (int)length).ToArray();
        var ids = golden["input_ids"].data<long>().Select(static id => (int)id).ToArray();
        // Two columns of padding at the end of the row must change nothing.
        var padded = new Microbatch
        {
            Rows = 1,
            Columns = ids.Length + 2,
            InputIds = [.. ids, 0, 0],
            Labels = [.. ids, Microbatch.Masked, Microbatch.Masked],
            SampleLengths = [lengths],
            ContentHash = "",
        };
        foreach (var batch in new[] { Batches.Of([ids], lengths: [lengths]), padded })
        {
            var logits = pipeline.Logits(batch);
            Assert.False(logits.isnan().any().item<bool>());
            Compare.Within(logits.narrow(0, 0, ids.Length), golden["logits"], 2e-5);
            var (loss, gradients) = pipeline.Gradients([batch]);
            Assert.Equal(golden["loss"].item<float>(), loss, 5e-6);
            foreach (var key in golden.Names.Where(static key => key.StartsWith("grad.", StringComparison.Ordinal)))
                Compare.Close(key, pipeline.Gradient(gradients, key["grad.".Length..]), golden[key], 2e-5);
            foreach (var gradient in gradients) gradient.Dispose();
        }
    }

    [Fact]
    public void Recomputing_activations_gives_the_same_bits()
    {
        var golden = new Golden("llama-gqa");
        using var scope = NewDisposeScope();
        var batch = Batches.Of(golden["input_ids"], golden["labels"]);
        var results = new List<Tensor[]>();
        foreach (var policy in new[] { RecomputePolicy.Never, RecomputePolicy.Always })
        {
            var spec = Specs.Full(golden.Folder);
            using var pipeline = new LocalPipeline(spec with { Training = spec.Training with { Recompute = policy } });
            pipeline.Initialize();
            results.Add(pipeline.Gradients([batch]).Gradients);
        }

        foreach (var (kept, recomputed) in results[0].Zip(results[1])) Assert.True(kept.eq(recomputed).all().item<bool>());
    }
}
