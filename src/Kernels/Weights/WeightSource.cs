using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.SafeTensors;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Weights;

/// <summary>Where base weights come from: the files of a Hugging Face folder, or, where it holds only config.json and all weights train, the seed.</summary>
internal sealed class WeightSource
{
    private readonly WeightFiles? files;
    private readonly long seed;
    private readonly double deviation;
    private readonly Device device;

    internal WeightSource(string folder, RunSpec spec, double initializerRange, Device device)
    {
        if (WeightFiles.Exist(folder) || spec.Method.Name != MethodName.Full) files = WeightFiles.Open(folder);
        else if (!Directory.Exists(folder)) throw new PeftException($"{folder}: folder not found; model.path names a Hugging Face folder");
        seed = spec.Seed;
        deviation = initializerRange;
        this.device = device;
    }

    /// <summary>A weight in <paramref name="dtype"/>; owned by the caller, outside any dispose scope.</summary>
    internal Tensor Read(string name, long[] shape, ScalarType dtype)
    {
        if (files is not null)
        {
            using var reader = new WeightReader(files, device);
            return reader.Read(name, shape, dtype);
        }

        using var scope = NewDisposeScope();
        var value = name.EndsWith("norm.weight", StringComparison.Ordinal) ? ones(shape, ScalarType.Float32)
            : name.EndsWith(".bias", StringComparison.Ordinal) ? zeros(shape, ScalarType.Float32)
            : SeededRandom.Normal(seed, name, shape, deviation);
        return value.to(dtype).to(device).DetachFromDisposeScope();
    }
}
