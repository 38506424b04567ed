using System.Globalization;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Adapters;
using Peft.Orleans.Data.ChatTemplates;
using Peft.Orleans.Data.Exports;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Grains.Agents;
using Peft.Orleans.Grains.RunFiles;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Adapters.Lora;
using Peft.Orleans.Kernels.Shards;
using Peft.Orleans.Kernels.Torch;
using Peft.Orleans.Kernels.Versions;
using Peft.Orleans.Kernels.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Grains.Inference;

/// <summary>Merges an adapter into its base, or turns it into LoRA, layer by layer: never more than one layer is in memory.</summary>
internal sealed class ExportGrain(AgentStore store) : Grain, IExportGrain
{
    /// <inheritdoc/>
    public async Task<string> Export(ExportRequest request)
    {
        var plan = ExportPlan.Of(request.AdapterPath, request.BasePath, request.ToPath, request.Kind, request.Rank, request.Dtype);
        if (plan.Copies) return await Task.Run(plan.Copy);
        var model = plan.Model!;
        var setup = new ModelSetup(model, plan.Method!, model.StoredType, ProductType.Float32);
        Directory.CreateDirectory(request.ToPath);
        var parts = RunFolder.NewParts(request.ToPath);
        Directory.CreateDirectory(parts);
        try
        {
            return request.Kind switch
            {
                "merged" => await Merged(request, setup, parts),
                "lora" => await Lora(request, setup, parts),
                _ => throw new PeftException($"export --as {request.Kind}: choose merged or lora"),
            };
        }
        finally
        {
            Directory.Delete(parts, recursive: true);
        }
    }

    private async Task<string> Merged(ExportRequest request, ModelSetup setup, string parts)
    {
        var dtype = request.Dtype ?? setup.Model.StoredType;
        var word = dtype.ToString().ToLowerInvariant();
        for (var layer = 0; layer < setup.Model.LayerCount; layer++)
        {
            var index = layer;
            await OnDevice(() => WriteTensors(PartOf(parts, index), MergedLayer(setup, index, TypeOf(dtype))));
        }

        ModelCompanions.WriteModel(setup.Model.Path, request.ToPath, word, TrainedPrompts.OfFolders(setup.Model.Path, request.AdapterPath));
        var sha256 = await Task.Run(() => FileHash.Of(ModelShards.Assemble(parts, request.ToPath)));
        return $"merged model written to {request.ToPath} ({word}, sha256 over its shards {sha256})";
    }

    private async Task<string> Lora(ExportRequest request, ModelSetup setup, string parts)
    {
        if (request.Rank is null && LoraForm.Exact(setup.Method) is { } exact)
            return await ExactLora(request, setup.Model, exact);
        var rank = request.Rank
            ?? throw new PeftException("export --as lora of this adapter needs --rank R, the rank of the approximation");
        double lost = 0,
            norm = 0;
        var worst = (Module: "", Error: -1.0);
        for (var layer = 1; layer <= setup.Model.Dimensions.Blocks; layer++)
        {
            var index = layer;
            foreach (var (module, squaredError, squaredNorm) in await OnDevice(() => WriteLowRank(setup, index, rank, parts)))
            {
                lost += squaredError;
                norm += squaredNorm;
                var error = Relative(squaredError, squaredNorm);
                if (error > worst.Error) worst = (module, error);
            }
        }

        var file = Path.Combine(request.ToPath, AdapterFolder.WeightsName);
        await Task.Run(() =>
            Data.SafeTensors.SafeTensorsWriter.Merge(file, Directory.EnumerateFiles(parts, "*.safetensors").Order(StringComparer.Ordinal))
        );
        var config = AdapterConfigWriter.Write(LoraForm.Approximate(setup.Method, rank), setup.Model);
        await File.WriteAllTextAsync(Path.Combine(request.ToPath, AdapterFolder.ConfigName), config);
        ModelCompanions.CopyTokenizer(request.AdapterPath, request.ToPath);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"LoRA adapter of rank {rank} written to {request.ToPath}: relative error of the change of weights "
                + $"{Relative(lost, norm):0.000e+00}, largest {worst.Error:0.000e+00} in {worst.Module}; {ServedRank.Describe(rank)}"
        );
    }

    private async Task<string> ExactLora(ExportRequest request, ModelFolder model, LoraForm lora)
    {
        await OnDevice(() =>
        {
            var adapter = AdapterTensors.Read(request.AdapterPath);
            WriteTensors(Path.Combine(request.ToPath, AdapterFolder.WeightsName), [.. lora.Tensors(adapter)]);
        });
        await File.WriteAllTextAsync(
            Path.Combine(request.ToPath, AdapterFolder.ConfigName),
            AdapterConfigWriter.Write(lora.Method, model)
        );
        ModelCompanions.CopyTokenizer(request.AdapterPath, request.ToPath);
        var rank = lora.Method.Lora.Rank;
        return $"LoRA adapter of rank {rank} written to {request.ToPath}: exact, twice the trained rank; {ServedRank.Describe(rank)}";
    }

    private static double Relative(double squaredError, double squaredNorm) => squaredNorm > 0 ? Math.Sqrt(squaredError / squaredNorm) : 0;

    private static List<(string Module, double SquaredError, double SquaredNorm)> WriteLowRank(
        ModelSetup setup,
        int layer,
        int rank,
        string parts
    )
    {
        var errors = new List<(string, double, double)>();
        var written = new List<(string, Tensor)>();
        using var scope = NewDisposeScope();
        var adapter = AdapterTensors.Read(setup.Method.InitialAdapter!);
        var weights = MergedLayer(setup with { Method = InferenceMethod.Frozen }, layer, ScalarType.Float32)
            .ToDictionary(static tensor => tensor.Name, static tensor => tensor.Value);
        foreach (var (name, merged) in MergedLayer(setup, layer, ScalarType.Float32))
        {
            using var whole = merged;
            using var weight = weights[name];
            var module = name[..name.LastIndexOf('.')];
            // A module's bias lies beside its weight, and no adapter changes it.
            if (!name.EndsWith(".weight", StringComparison.Ordinal)) continue;
            if (!adapter.Names.Any(tensor => tensor.StartsWith($"base_model.model.{module}.", StringComparison.Ordinal))) continue;
            using var delta = whole.sub(weight);
            var factors = LowRankApproximation.Of(module, delta, rank);
            written.Add(($"base_model.model.{module}.lora_A.weight", factors.A));
            written.Add(($"base_model.model.{module}.lora_B.weight", factors.B));
            errors.Add((module, factors.SquaredError, factors.SquaredNorm));
        }

        WriteTensors(PartOf(parts, layer), written);
        return errors;
    }

    /// <summary>A layer's weights with the adapter merged; owned by the caller.</summary>
    private static IReadOnlyList<(string Name, Tensor Value)> MergedLayer(ModelSetup setup, int layer, ScalarType type)
    {
        var adapter = setup.Method.InitialAdapter is { } folder ? AdapterTensors.Read(folder) : null;
        using var shard = ShardFactory.Load(setup, layer);
        using var version = new LayerVersion(shard.Layout, TorchRuntime.Device);
        shard.Initialize(version, setup.Seed, null, adapter);
        return shard.ExportMerged(version, type);
    }

    private static void WriteTensors(string path, IReadOnlyList<(string Name, Tensor Value)> tensors)
    {
        if (tensors.Count > 0) TensorFile.Write(path, tensors);
        foreach (var (_, value) in tensors) value.Dispose();
    }

    private static string PartOf(string parts, int layer) => Path.Combine(parts, RunFolder.LayerFile(layer));

    private static ScalarType TypeOf(WeightType dtype) => dtype switch
    {
        WeightType.BFloat16 => ScalarType.BFloat16,
        WeightType.Float16 => ScalarType.Float16,
        _ => ScalarType.Float32,
    };

    private Task<T> OnDevice<T>(Func<T> work) => store.Device.Run(DevicePriority.Background, work);

    private Task OnDevice(Action work) => OnDevice(() =>
    {
        work();
        return 0;
    });
}
