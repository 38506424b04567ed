using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Adapters.Urnn;
using Peft.Orleans.Kernels.Models;
using Peft.Orleans.Kernels.Torch;
using Peft.Orleans.Kernels.Weights;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Shards;

/// <summary>Makes layer shards.</summary>
public static class ShardFactory
{
    /// <summary>Bytes of base weights read or mapped by this process.</summary>
    public static long WeightBytesRead => WeightReader.BytesRead;

    /// <summary>How often a module's unitary blocks were brought back to the group after a step, in this process.</summary>
    public static long Renormalizations => DenseMap.AllRenormalizations;

    /// <summary>Loads the base weights of one layer; no other layer's tensors are touched.</summary>
    /// <param name="setup">The model and how it is adapted.</param>
    /// <param name="layer">Layer index: 0 embedding, 1 … L decoder blocks, L+1 head.</param>
    /// <param name="device">Device of weights and versions; null: the process's.</param>
    /// <param name="hashed">Whether base tensors are hashed as they are read: <see cref="LayerShard.WeightHashes"/>.</param>
    /// <exception cref="PeftException">A tensor is missing or has another shape, or the method is not supported; names file and
    /// tensor.</exception>
    public static LayerShard Load(ModelSetup setup, int layer, Device? device = null, bool hashed = false)
    {
        var model = setup.Model;
        var method = AdapterMethods.Of(setup.Method);
        if (method.Traits.Check(setup.Method).Select(static broken => (BrokenRule?)broken).FirstOrDefault() is { } broken)
            throw new PeftException($"{broken.Key}: {broken.Message}");
        var (trainsBase, head) = (method.Traits.TrainsBase, model.LayerCount - 1);
        ArgumentOutOfRangeException.ThrowIfNegative(layer);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(layer, head);
        var held = Held(setup.Dtype);
        var compute = setup.Products == ProductType.Float32 ? ScalarType.Float32 : held;
        device ??= TorchRuntime.Device;
        var weights = new WeightSource(model, setup.Seed, mayBeRandom: trainsBase, device, hashed);
        var context = new ShardContext(setup, method, weights, held, compute, device);
        var family = FamilyTable.Of(model);
        var tied = trainsBase && model.Dimensions.Tied;
        // The gradient travels down to the lowest layer that trains: the embedding with method full, else the first decoder block.
        var needsInput = trainsBase || (layer > 1 && TargetModules.Resolve(setup.Method, model.Dimensions).Count > 0);
        var place = new LayerPlace(layer, needsInput);
        if (layer == 0) return tied ? family.Tied(context) : family.Embedding(context);
        if (layer < head) return family.Block(place, context);
        if (tied) throw new PeftException($"layer {layer} has no shard of its own: trained tied embeddings are one parameter, in layer 0");
        return family.Head(place, context);
    }

    private static ScalarType Held(WeightType dtype) => dtype switch
    {
        WeightType.Float32 => ScalarType.Float32,
        WeightType.BFloat16 => ScalarType.BFloat16,
        WeightType.Float16 => ScalarType.Float16,
        _ => throw new PeftException("model.dtype: nf4 is not supported by this version; use float32, bfloat16 or float16"),
    };
}
