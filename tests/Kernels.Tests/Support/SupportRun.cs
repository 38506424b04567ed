using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Adapters;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Adapters.Lora;
using Peft.Orleans.Kernels.Tests.Goldens;
using Peft.Orleans.Kernels.Tests.Methods.Conformance;
using Peft.Orleans.Kernels.Tests.Models;
using TorchSharp;
using static Peft.Orleans.Kernels.Tests.Methods.Conformance.MethodRun;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Support;

/// <summary>Trains a cell's model, and tries on it what a user can do; what is not as it should be throws.</summary>
internal sealed class SupportRun : IDisposable
{
    private const int Steps = 4;
    private static readonly MethodSpec Unadapted = MethodTable.Lora([], new LoraSpec());
    private readonly SupportCase cell;
    private readonly RandomModel model;
    private readonly RunSpec spec;
    private readonly LocalPipeline pipeline;
    private readonly double started;
    private readonly Tensor logits;
    private readonly double limit;

    internal SupportRun(SupportCase cell)
    {
        this.cell = cell;
        model = new RandomModel(cell.Model.Config);
        spec = Specs.Of(model.Folder, cell.Model.Named(MethodCase.Of(cell.Method).Method), cell.Precision);
        pipeline = Start(spec);
        started = pipeline.Loss(Sample(1));
        Take(pipeline);
        logits = pipeline.Logits(Sample(1));
        // The same sums in another order in float32; in half types weights and activations are rounded anew, 2⁻⁸ each, some layers deep.
        limit = (IsHalf ? 5e-2 : 1e-5) * logits.abs().max().item<float>();
    }

    private bool IsHalf => cell.Precision != WeightType.Float32;

    private bool HasAdapter => MethodTraits.Of(spec.Method).PeftType is not null;

    /// <summary>Whether a feature has meaning here, and holds.</summary>
    /// <returns>The word for the table; null: the method has no such thing.</returns>
    internal string? Try(Feature feature)
    {
        using var scope = NewDisposeScope();
        switch (feature)
        {
            case Feature.Training: return Trains();
            case Feature.Packing: return Packs();
            case Feature.Scoring: return Scores();
            case Feature.Generation: return Generates();
            case Feature.Adapter: return HasAdapter ? WritesAdapter() : null;
            case Feature.Lora: return HasAdapter ? WritesLora() : null;
            case Feature.Merged: return Merges();
            default: throw new ArgumentOutOfRangeException(nameof(feature));
        }
    }

    public void Dispose()
    {
        logits.Dispose();
        pipeline.Dispose();
        model.Dispose();
    }

    private static void Take(LocalPipeline pipeline)
    {
        for (var step = 1; step <= Steps; step++) pipeline.Step(step, [Sample(1)], 5e-3);
    }

    private string Trains()
    {
        Assert.True(pipeline.Loss(Sample(1)) < started - 1e-3, $"the loss {started} became {pipeline.Loss(Sample(1))}");
        using var again = Start(spec);
        Take(again);
        for (var layer = 0; layer < pipeline.Shards.Count; layer++)
        {
            var (first, second) = (pipeline.Versions[layer].Parameters, again.Versions[layer].Parameters);
            Assert.True(first.eq(second).all().item<bool>(), $"layer {layer} has other bits");
        }

        return "yes";
    }

    private string Packs()
    {
        Microbatch[] alone = [Sample(1), Sample(2), Sample(3)];
        int[] lengths = [.. alone.Select(static batch => batch.Columns)];
        var packed = Batches.Of([[.. alone.SelectMany(static batch => batch.InputIds)]], lengths: [lengths]);
        var expected = alone.Sum(batch => pipeline.Loss(batch) * batch.TargetTokens) / alone.Sum(static batch => batch.TargetTokens);
        Assert.Equal(expected, pipeline.Loss(packed), (IsHalf ? 1e-2 : 1e-5) * expected);
        return "yes";
    }

    private string Scores()
    {
        var batch = Sample(2);
        var (likelihood, tokens, _) = Assert.Single(pipeline.Score(batch));
        Assert.Equal(batch.TargetTokens, tokens);
        Assert.Equal(-pipeline.Loss(batch) * tokens, likelihood, 1e-4 * Math.Abs(likelihood));
        return "yes";
    }

    private string Generates()
    {
        int[][] prompts = [TinyModel.Ids(new Random(7), 9), TinyModel.Ids(new Random(8), 5)];
        int[] more = [3, 4];
        var (first, second) = pipeline.CachedLogits(prompts, more);
        for (var row = 0; row < prompts.Length; row++)
        {
            var whole = pipeline.Logits(Batches.Of([[.. prompts[row], more[row]]]));
            Compare.Within(first[row], whole[prompts[row].Length - 1], limit);
            Compare.Within(second[row], whole[prompts[row].Length], limit);
        }

        return "yes";
    }

    private string WritesAdapter()
    {
        using var folder = WriteAdapter(spec, pipeline.Export());
        // Files are float32; what a layer keeps in double precision (λ) is rounded.
        Compare.Within(Computed(folder.Path, spec), logits, limit);
        return "yes";
    }

    private string WritesLora()
    {
        using var folder = WriteAdapter(spec, pipeline.Export());
        var form = AdapterFolder.Read(folder.Path).PlainLora;
        if (form == PlainLora.Same) return "same file";
        if (form == PlainLora.Approximated) return Approximates();
        var exact = LoraForm.Exact(spec.Method)!;
        var tensors = exact.Tensors(AdapterTensors.Read(folder.Path)).ToDictionary(static pair => pair.Name, static pair => pair.Value);
        Compare.Within(Computed(spec with { Method = exact.Method }, tensors), logits, limit);
        return "exact";
    }

    /// <summary>The change of a square weight, to its whole rank: nothing is left out, so that it must compute the same.</summary>
    private string Approximates()
    {
        var method = spec.Method with { TargetModules = cell.Model.Named(spec.Method with { TargetModules = ["o_proj"] }).TargetModules };
        using var narrow = Start(spec with { Method = method });
        Take(narrow);
        using var plain = new LocalPipeline(Specs.Of(model.Folder, Unadapted, cell.Precision));
        var before = Merged(plain).ToDictionary(static pair => pair.Name, static pair => pair.Value);
        var folder = ModelFolder.Open(model.Folder);
        var sites = Enumerable.Range(1, folder.Dimensions.Blocks).SelectMany(folder.Linears)
            .Where(site => method.TargetModules.Contains(site.Suffix)).ToDictionary(static site => site.WeightName);
        var rank = (int)sites.Values.First().Out;
        var tensors = new Dictionary<string, Tensor>();
        foreach (var (name, merged) in Merged(narrow).Where(pair => sites.ContainsKey(pair.Name)))
        {
            var factors = LowRankApproximation.Of(name, merged - before[name], rank);
            tensors[$"base_model.model.{sites[name].Name}.lora_A.weight"] = factors.A;
            tensors[$"base_model.model.{sites[name].Name}.lora_B.weight"] = factors.B;
        }

        Compare.Within(Computed(spec with { Method = LoraForm.Approximate(method, rank) }, tensors), narrow.Logits(Sample(1)), limit);
        return "approximate";
    }

    private Tensor Computed(RunSpec run, Dictionary<string, Tensor> tensors)
    {
        using var folder = WriteAdapter(run, tensors);
        return Computed(folder.Path, run);
    }

    private Tensor Computed(string adapterFolder, RunSpec run)
    {
        var adapter = AdapterTensors.Read(adapterFolder);
        using var loaded = new LocalPipeline(Continued(run, adapterFolder));
        loaded.Initialize(adapter);
        return loaded.Logits(Sample(1));
    }

    private string Merges()
    {
        using var folder = WriteModel(model.Folder, pipeline);
        using var merged = new LocalPipeline(
            Specs.Of(folder.Path, Unadapted, cell.Precision));
        Compare.Within(merged.Logits(Sample(1)), logits, limit);
        return "yes";
    }
}
