using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Adapters;
using Peft.Orleans.Data.Datasets;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.SafeTensors;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Client.Checks;

/// <summary>What can be refused before any silo starts: model, tokenizer, data and adapter files, shapes.</summary>
internal static class StartChecks
{
    /// <summary>Checks a run whose files this machine sees.</summary>
    /// <param name="spec">The run, paths absolute.</param>
    /// <param name="where">Place in the run file of a key, for messages.</param>
    /// <exception cref="PeftException">Names the file or key and what to do.</exception>
    public static ModelFolder Check(RunSpec spec, Func<string, string> where)
    {
        var model = ModelFolder.Open(spec.Model.Path);
        if (!MethodTraits.Of(spec.Method).TrainsBase || model.HasWeights) Weights(spec.Model.Path);
        DataFile(spec.Data.Train.Path, "data.train.path", where);
        if (spec.Data.Validation?.Path is { } validation) DataFile(validation, "data.validation.path", where);
        if (spec.Data.Evaluation?.Path is { } evaluation) DataFile(evaluation, "data.evaluation.path", where);
        if (TrainingData.NeedsTokenizer(spec.Data) && !TokenizerLoader.Exists(spec.Model.Path))
            throw new PeftException($"{where("model.path")}: model.path: {spec.Model.Path} has no tokenizer (tokenizer.json, tokenizer.model, or vocab.json with merges.txt); copy the model's tokenizer files there, or use data.train.format tokens");
        Modules(spec, model, where);
        if (spec.Method.InitialAdapter is { } adapter)
        {
            RequireFile(Path.Combine(adapter, AdapterFolder.ConfigName), "method.initial_adapter", $"name an adapter folder, with {AdapterFolder.ConfigName} and {AdapterFolder.WeightsName}", where);
            AdapterFolder.Read(adapter).CheckStart(spec.Method, model, where);
        }

        return model;
    }

    /// <summary>Every shard file is there, and its header is sound; no weight is read.</summary>
    private static void Weights(string folder)
    {
        var weights = WeightFiles.Open(folder);
        foreach (var name in weights.Names) weights.TryFind(name, out _, out _);
    }

    private static void Modules(RunSpec spec, ModelFolder model, Func<string, string> where)
    {
        if (MethodTraits.Of(spec.Method).TrainsBase) return;
        const string Key = "method.target_modules";
        if (TargetModules.Unknown(spec.Method, model.Dimensions) is { } unknown)
            throw new PeftException($"{where(Key)}: {Key}: {TargetModules.Refusal(unknown, model.Dimensions)}");
        var targets = model.Dimensions.Linears
            .Where(linear => TargetModules.Targets(spec.Method, linear.Name))
            .Select(static linear => (linear.Name, (long)linear.Out, (long)linear.In));
        var broken = RunRules.CheckShapes(spec.Method, targets).Select(rule => $"{where(rule.Key)}: {rule.Key}: {rule.Message}").ToArray();
        if (broken.Length > 0) throw new PeftException(string.Join('\n', broken));
    }

    private static void DataFile(string path, string key, Func<string, string> where)
    {
        RequireFile(path, key, "name a JSONL file; relative paths are relative to the run file", where);
        if (new FileInfo(path).Length == 0) throw new PeftException($"{where(key)}: {key}: {path} is empty; it needs one sample per line");
    }

    private static void RequireFile(string path, string key, string remedy, Func<string, string> where)
    {
        if (Directory.Exists(path)) throw new PeftException($"{where(key)}: {key}: {path} is a folder; {remedy}");
        if (!File.Exists(path)) throw new PeftException($"{where(key)}: {key}: {path} not found; {remedy}");
    }
}
