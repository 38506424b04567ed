using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.HuggingFace;
using Peft.Orleans.Grains.Agents;
using Peft.Orleans.Grains.Coordination;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Shards;
using Peft.Orleans.Kernels.Torch;
using static TorchSharp.torch;

namespace Peft.Orleans.Grains.Inference;

/// <summary>Merges an adapter into its base, layer by layer.</summary>
public sealed class ExportGrain(AgentStore store) : Grain, IExportGrain
{
    /// <inheritdoc/>
    public async Task<string> Export(ExportRequest request)
    {
        if (request.Kind != "merged")
            throw new PeftException($"export --as {request.Kind} is not supported for this adapter by this version; use --as merged");
        var method = AdapterMethod.Of(request.AdapterPath);
        var config = LlamaConfig.Read(request.BasePath);
        var dtype = request.Dtype ?? config.TorchDtype ?? WeightType.Float32;
        var spec = new RunSpec
        {
            Name = "export",
            Model = new ModelSpec { Path = request.BasePath, Dtype = config.TorchDtype ?? WeightType.Float32 },
            Method = method,
            Training = new TrainingSpec { Steps = 1 },
            Compute = new ComputeSpec { Products = ProductType.Float32 },
        };
        Directory.CreateDirectory(request.ToPath);
        var parts = Path.Combine(request.ToPath, $".parts-{Guid.NewGuid():N}");
        Directory.CreateDirectory(parts);
        try
        {
            for (var layer = 0; layer < ShardFactory.LayerCount(config); layer++)
            {
                var index = layer;
                await store.Device.Run(DevicePriority.Background, () =>
                {
                    WriteLayer(spec, config, index, parts, dtype);
                    return 0;
                });
            }

            ModelFolder.CopyCompanions(request.BasePath, request.ToPath, dtype.ToString().ToLowerInvariant());
            var sha256 = ModelFolder.Assemble(parts, request.ToPath);
            return $"merged model written to {request.ToPath} ({dtype.ToString().ToLowerInvariant()}, sha256 over its shards {sha256})";
        }
        finally
        {
            Directory.Delete(parts, recursive: true);
        }
    }

    private static void WriteLayer(RunSpec spec, LlamaConfig config, int layer, string parts, WeightType dtype)
    {
        using var adapter = spec.Method.InitialAdapter is { } folder ? AdapterTensors.Read(folder) : null;
        using var shard = ShardFactory.Load(new ShardRequest(spec, spec.Model.Path, config, layer));
        using var version = new LayerVersion(shard.Layout, TorchRuntime.Device);
        shard.Initialize(version, spec.Seed, null, adapter);
        var type = dtype switch
        {
            WeightType.BFloat16 => ScalarType.BFloat16,
            WeightType.Float16 => ScalarType.Float16,
            _ => ScalarType.Float32,
        };
        var tensors = shard.ExportMerged(version, type);
        if (tensors.Count > 0) TensorFiles.Write(Path.Combine(parts, $"layer-{layer:D4}.safetensors"), tensors);
        foreach (var (_, value) in tensors) value.Dispose();
    }
}
