using Peft.Orleans.Core;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.SafeTensors;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Weights;

/// <summary>
/// Where base weights come from: the files of a checkpoint, or, where it is only config.json and all weights train, a seed.
/// </summary>
internal sealed class WeightSource
{
    private readonly ModelFolder model;
    private readonly WeightFiles? files;
    private readonly long seed;
    private readonly Device device;
    private readonly Dictionary<string, string>? hashes;

    /// <param name="model">The checkpoint.</param>
    /// <param name="seed">Of weights that begin at random.</param>
    /// <param name="mayBeRandom">Whether a checkpoint without weights begins at random.</param>
    /// <param name="device">Device.</param>
    /// <param name="hashed">Whether tensors are hashed as they are read.</param>
    /// <exception cref="PeftException">There are no weights, or an index is malformed.</exception>
    internal WeightSource(ModelFolder model, long seed, bool mayBeRandom, Device device, bool hashed = false)
    {
        if (model.HasWeights || !mayBeRandom) files = model.Weights;
        (this.model, this.seed, this.device) = (model, seed, device);
        if (hashed) hashes = new(StringComparer.Ordinal);
    }

    /// <summary>sha256 of each tensor read so far from a file, over its bytes as stored; empty where none are hashed.</summary>
    internal IReadOnlyDictionary<string, string> Hashes => hashes ?? [];

    /// <summary>A weight in <paramref name="dtype"/>; owned by the caller, outside any dispose scope.</summary>
    internal Tensor Read(string name, long[] shape, ScalarType dtype)
    {
        if (files is not null)
        {
            using var reader = new WeightReader(files, device, hashes);
            return reader.Read(name, shape, dtype);
        }

        using var scope = NewDisposeScope();
        var value = model.KindOf(name) switch
        {
            TensorKind.NormWeight => ones(shape, ScalarType.Float32),
            TensorKind.NormBias or TensorKind.LinearBias => zeros(shape, ScalarType.Float32),
            _ => SeededRandom.Normal(seed, name, shape, model.InitializerRange),
        };
        return value.to(dtype).to(device).DetachFromDisposeScope();
    }
}
