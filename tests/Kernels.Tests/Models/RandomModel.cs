using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Models;

/// <summary>A Hugging Face folder of any family with random weights, of which every one matters.</summary>
internal sealed class RandomModel : IDisposable
{
    private readonly TemporaryFolder folder = new();

    /// <param name="config">config.json.</param>
    internal RandomModel(string config)
    {
        File.WriteAllText(Path.Combine(folder.Path, "config.json"), config);
        using var scope = NewDisposeScope();
        using var generator = new Generator(3);
        var model = ModelFolder.Open(folder.Path);
        var tensors = Enumerable.Range(0, model.LayerCount)
            .SelectMany(layer => model.Tensors(layer).Select(static tensor => (tensor.Name, tensor.Shape))
                .Concat(model.Linears(layer).Select(static linear => (linear.WeightName, new[] { linear.Out, linear.In })))
                .Concat(model.Linears(layer).Where(static linear => linear.HasBias)
                    .Select(static linear => (linear.BiasName, new[] { linear.Out }))))
            .DistinctBy(static tensor => tensor.Item1)
            .Select(tensor => (tensor.Item1, Value(model.KindOf(tensor.Item1), tensor.Item2, generator)));
        TensorFile.Write(Path.Combine(folder.Path, "model.safetensors"), tensors);
    }

    internal string Folder => folder.Path;

    public void Dispose() => folder.Dispose();

    private static Tensor Value(TensorKind kind, long[] shape, Generator generator) =>
        randn(shape, ScalarType.Float32, generator: generator).mul_(0.2).add_(kind == TensorKind.NormWeight ? 1 : 0);
}
