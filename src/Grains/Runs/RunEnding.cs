using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.ChatTemplates;
using Peft.Orleans.Data.Exports;
using Peft.Orleans.Data.SafeTensors;
using Peft.Orleans.Grains.Agents;
using Peft.Orleans.Grains.Inference;
using Peft.Orleans.Grains.RunFiles;
using Peft.Orleans.Grains.Terms;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Adapters;

namespace Peft.Orleans.Grains.Runs;

/// <summary>What follows the last step: evaluation, adapter or model folder, hash.</summary>
internal sealed class RunEnding(TermRun term, RunRequest request, RunSpec spec, ILoggerFactory loggers)
{
    private readonly ILogger log = loggers.CreateLogger<RunEnding>();

    internal async Task<RunStatus> Finish(int step, RunStatus status)
    {
        if (spec.Data.Evaluation is { } evaluation)
        {
            var (correct, problems) = await ProblemEvaluation.Run(term.Caller(step), spec, evaluation);
            status = status with { EvaluationAfter = correct, EvaluationProblems = problems };
            term.Event("evaluation", new { step, exactMatch = correct, problems });
        }

        var parts = Path.Combine(request.Folder, $".parts-{Guid.NewGuid():N}");
        Directory.CreateDirectory(parts);
        try
        {
            if (term.BestParts is { } best)
            {
                foreach (var part in Directory.EnumerateFiles(best)) File.Copy(part, Path.Combine(parts, Path.GetFileName(part)));
            }
            else
            {
                await term.WriteAdapter(step, parts);
            }

            var (path, sha256) = await Task.Run(() => MethodTraits.Of(spec.Method).TrainsBase ? WriteModel(parts) : WriteAdapter(parts));
            term.Event("adapter", new { step, path, sha256 });
            log.LogInformation("run {RunId}: {Path} written, sha256 {Sha256}", request.RunId, path, sha256);
            return status with { AdapterPath = path, AdapterSha256 = sha256, Message = "completed" };
        }
        finally
        {
            Directory.Delete(parts, recursive: true);
        }
    }

    private (string Path, string Sha256) WriteAdapter(string parts)
    {
        var folder = Path.Combine(request.Folder, RunFolder.Adapter);
        Directory.CreateDirectory(folder);
        var file = Path.Combine(folder, "adapter_model.safetensors");
        SafeTensorsWriter.Merge(file, Directory.EnumerateFiles(parts, "*.safetensors").Order(StringComparer.Ordinal));
        File.WriteAllText(Path.Combine(folder, "adapter_config.json"), AdapterConfigWriter.Write(spec.Method, ModelFolder.Open(spec.Model.Path)));
        ModelCompanions.WriteAdapter(spec.Model.Path, folder, TrainedPrompts.OfRun(spec));
        return (folder, StepWork.Sha256(file));
    }

    /// <summary>A Hugging Face folder: one shard file per layer, index, configuration, tokenizer.</summary>
    private (string Path, string Sha256) WriteModel(string parts)
    {
        var folder = Path.Combine(request.Folder, RunFolder.Model);
        Directory.CreateDirectory(folder);
        ModelCompanions.WriteModel(spec.Model.Path, folder, "float32", TrainedPrompts.OfRun(spec));
        return (folder, ModelAssembly.Assemble(parts, folder));
    }
}

/// <summary>Puts a Hugging Face model folder together from files of one layer each.</summary>
internal static class ModelAssembly
{
    /// <summary>Moves the parts under their final names, writes the index, and returns the sha256 over the shards in order.</summary>
    internal static string Assemble(string parts, string folder)
    {
        var files = Directory.EnumerateFiles(parts, "*.safetensors").Order(StringComparer.Ordinal).ToArray();
        var weights = new SortedDictionary<string, string>(StringComparer.Ordinal);
        long total = 0;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[1 << 20];
        for (var i = 0; i < files.Length; i++)
        {
            var name = $"model-{i + 1:D5}-of-{files.Length:D5}.safetensors";
            var header = SafeTensorsHeader.Read(files[i]);
            foreach (var entry in header.Entries.Values)
            {
                weights[entry.Name] = name;
                total += entry.Bytes;
            }

            var target = Path.Combine(folder, name);
            File.Move(files[i], target, overwrite: true);
            using var stream = File.OpenRead(target);
            int read;
            while ((read = stream.Read(buffer)) > 0) hash.AppendData(buffer, 0, read);
        }

        var index = new JsonObject
        {
            ["metadata"] = new JsonObject { ["total_size"] = total },
            ["weight_map"] = new JsonObject(weights.Select(static pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value))),
        };
        File.WriteAllText(Path.Combine(folder, "model.safetensors.index.json"), index.ToJsonString(new JsonSerializerOptions { WriteIndented = true }));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
