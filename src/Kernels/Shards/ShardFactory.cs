using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.HuggingFace;
using Peft.Orleans.Kernels.Torch;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Shards;

/// <summary>Which layer of which model is wanted, adapted how.</summary>
/// <param name="Spec">The run: method, seed, optimizer, recomputation.</param>
/// <param name="ModelFolder">Hugging Face folder of the base model.</param>
/// <param name="Config">Its configuration.</param>
/// <param name="Layer">Layer index: 0 embedding, 1 … L decoder blocks, L+1 head.</param>
public sealed record ShardRequest(RunSpec Spec, string ModelFolder, LlamaConfig Config, int Layer)
{
    /// <summary>How frozen weights are held: as the run says, else as the model says, else float32.</summary>
    public WeightType Dtype => Spec.Model.Dtype ?? Config.TorchDtype ?? WeightType.Float32;

    /// <summary>The type in which they are multiplied.</summary>
    public ProductType Products => TorchRuntime.ResolveProducts(Dtype, Spec.Compute.Products);

    /// <summary>Device of weights and versions.</summary>
    public Device Device { get; init; } = TorchRuntime.Device;
}

/// <summary>Makes layer shards.</summary>
public static class ShardFactory
{
    /// <summary>Bytes of base weights read or mapped by this process.</summary>
    public static long WeightBytesRead => Weights.WeightReader.BytesRead;

    /// <summary>Number of layer shards: embedding, decoder blocks, head.</summary>
    public static int LayerCount(LlamaConfig config) => config.NumHiddenLayers + 2;

    /// <summary>Loads the base weights of one layer; no other layer's tensors are touched.</summary>
    /// <exception cref="PeftException">A tensor is missing or has another shape, or the method is not supported; names file and tensor.</exception>
    public static LayerShard Load(ShardRequest request) => throw new PeftException($"layer {request.Layer}: no model family is registered");
}
