using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Shards;
using Peft.Orleans.Kernels.Versions;
using Peft.Orleans.Kernels.Weights;
using Peft.Orleans.Tests;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Benchmarks;

/// <summary>
/// Models to measure: folders as they are, and, of those with config.json alone, copies with random weights, deleted at the end.
/// </summary>
internal sealed class BenchmarkModels : IDisposable
{
    private readonly DirectoryInfo made = Directory.CreateTempSubdirectory("benchmark-models");

    /// <summary>The folder itself where it holds weights, else one with random ones in the type that its config.json says.</summary>
    internal string WithWeights(string folder, BenchmarkOptions options)
    {
        var model = ModelFolder.Open(folder);
        if (model.HasWeights) return folder;
        var copy = made.CreateSubdirectory(Path.GetFileName(folder)).FullName;
        foreach (var file in Directory.EnumerateFiles(folder)) File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        using var scope = NewDisposeScope();
        // As full fine-tuning begins where there are none.
        var setup = RunSetup.Of(new BenchmarkOptions(["--model", copy, .. options.Args]).Spec("full"));
        var layers = Enumerable.Range(0, model.LayerCount - (model.Dimensions.Tied ? 1 : 0));
        TensorFile.Write(Path.Combine(copy, "model.safetensors"), layers.SelectMany(layer =>
        {
            using var shard = ShardFactory.Load(setup, layer);
            using var version = new LayerVersion(shard.Layout, CPU);
            shard.Initialize(version, setup.Seed, null, null);
            return shard.ExportMerged(version, model.StoredType == WeightType.BFloat16 ? ScalarType.BFloat16 : ScalarType.Float32);
        }).ToArray());
        return copy;
    }

    public void Dispose() => made.Delete(recursive: true);
}
