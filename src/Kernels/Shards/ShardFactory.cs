using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models.Llama;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Models;
using Peft.Orleans.Kernels.Models.Llama;
using Peft.Orleans.Kernels.Torch;
using Peft.Orleans.Kernels.Weights;
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
    public static long WeightBytesRead => WeightReader.BytesRead;

    /// <summary>Number of layer shards: embedding, decoder blocks, head.</summary>
    public static int LayerCount(LlamaConfig config) => config.NumHiddenLayers + 2;

    /// <summary>Loads the base weights of one layer; no other layer's tensors are touched.</summary>
    /// <exception cref="PeftException">A tensor is missing or has another shape, or the method is not supported; names file and tensor.</exception>
    public static LayerShard Load(ShardRequest request)
    {
        var (spec, folder, config, layer) = request;
        var method = AdapterMethods.Of(spec.Method);
        method.Validate(spec.Method);
        var head = LayerCount(config) - 1;
        ArgumentOutOfRangeException.ThrowIfNegative(layer, nameof(request));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(layer, head, nameof(request));
        var held = Held(request.Dtype);
        var compute = request.Products == ProductType.Float32 ? ScalarType.Float32 : held;
        var context = new ShardContext(spec, new WeightSource(folder, spec, config.InitializerRange, request.Device), held, compute, request.Device);
        var full = spec.Method.Name == MethodName.Full;
        var tied = full && config.TieWordEmbeddings;
        // The gradient travels down to the lowest layer that trains: the embedding with method full, else the first decoder block.
        var needsInput = full || (layer > 1 && TargetModules.Resolve(spec.Method).Count > 0);
        if (layer == 0) return new EmbeddingShard(context, config, withHead: tied);
        if (layer < head) return new DecoderShard(layer, needsInput, context, config);
        if (tied) throw new PeftException($"layer {layer} has no shard of its own: trained tied embeddings are one parameter, in layer 0");
        return new HeadShard(layer, needsInput, context, config);
    }

    private static ScalarType Held(WeightType dtype) => dtype switch
    {
        WeightType.Float32 => ScalarType.Float32,
        WeightType.BFloat16 => ScalarType.BFloat16,
        WeightType.Float16 => ScalarType.Float16,
        _ => throw new PeftException("model.dtype: nf4 is not supported by this version; use float32, bfloat16 or float16"),
    };
}
