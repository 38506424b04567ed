using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Adapters;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Tests.Models;
using Peft.Orleans.Kernels.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Methods.Conformance;

/// <summary>A method on the tiny model: started, trained, written to files.</summary>
internal static class MethodRun
{
    /// <summary>What the base gradient is estimated from.</summary>
    internal static Microbatch[] EstimateSamples => [Sample(21), Sample(22)];

    internal static RunSpec Continued(RunSpec spec, string folder) => spec with { Method = spec.Method with { InitialAdapter = folder } };

    internal static Microbatch Sample(int seed) => Batches.Of([TinyModel.Ids(new Random(seed), 14)]);

    internal static LocalPipeline Start(RunSpec spec)
    {
        var pipeline = new LocalPipeline(spec);
        pipeline.Initialize(samples: EstimateSamples);
        return pipeline;
    }

    internal static void Train(LocalPipeline pipeline, int steps)
    {
        for (var step = 1; step <= steps; step++) pipeline.Step(step, [Sample(1), Sample(2)], 0.01);
    }

    /// <summary>Leaves the methods' start, where many gradients are zero.</summary>
    internal static void Disturb(LocalPipeline pipeline)
    {
        var random = new Random(13);
        foreach (var (shard, version) in pipeline.Shards.Zip(pipeline.Versions))
        {
            foreach (var slot in shard.Layout.Trainable)
            {
                using var scope = NewDisposeScope();
                var values = new float[slot.Count];
                for (var i = 0; i < values.Length; i++) values[i] = (float)(0.05 * TinyModel.Normal(random));
                version.Parameters.narrow(0, slot.Offset, slot.Count).add_(tensor(values));
            }

            version.Invalidate();
        }
    }

    internal static IReadOnlyList<(string Name, Tensor Value)> Merged(LocalPipeline pipeline) =>
        [.. pipeline.Shards.SelectMany((shard, i) => shard.ExportMerged(pipeline.Versions[i], ScalarType.Float32))];

    internal static TemporaryFolder WriteModel(TinyModel model, LocalPipeline pipeline) => WriteModel(model.Folder, pipeline);

    internal static TemporaryFolder WriteModel(string from, LocalPipeline pipeline)
    {
        var folder = new TemporaryFolder();
        File.Copy(Path.Combine(from, "config.json"), Path.Combine(folder.Path, "config.json"));
        var tensors = Merged(pipeline);
        TensorFile.Write(Path.Combine(folder.Path, "model.safetensors"), tensors);
        foreach (var (_, value) in tensors) value.Dispose();
        return folder;
    }

    internal static TemporaryFolder WriteAdapter(RunSpec spec, Dictionary<string, Tensor> tensors, string? config = null)
    {
        var folder = new TemporaryFolder();
        TensorFile.Write(Path.Combine(folder.Path, AdapterFolder.WeightsName), tensors.Select(static pair => (pair.Key, pair.Value)));
        File.WriteAllText(
            Path.Combine(folder.Path, AdapterFolder.ConfigName),
            config ?? AdapterConfigWriter.Write(spec.Method, ModelFolder.Open(spec.Model.Path))
        );
        return folder;
    }
}
