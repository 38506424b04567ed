using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Adapters;
using Peft.Orleans.Data.Datasets;
using Peft.Orleans.Data.Datasets.Files;
using Peft.Orleans.Data.Datasets.Indexes;
using Peft.Orleans.Data.Files;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Data.Checks;

/// <summary>A run whose files have been checked.</summary>
/// <param name="Model">Its model.</param>
/// <param name="Data">Its data; null: they were known, and not read again.</param>
public sealed record CheckedRun(ModelFolder Model, TrainingData? Data);

/// <summary>
/// All that a run's files can be refused for, in one list: of the client before it makes a folder or starts a silo, and of the silo that is
/// given a run whose files its client does not see.
/// </summary>
public static class RunChecks
{
    private const string DataRemedy = "name a file, a folder or a glob; relative paths are relative to the run file";

    /// <summary>Checks configuration, weights' headers, tokenizer, template, every line of the data, adapter and shapes.</summary>
    /// <param name="spec">The run, paths absolute.</param>
    /// <param name="where">Place in the run file of a key, for messages.</param>
    /// <param name="dataIsKnown">Whether the same data, read in the same way, has been checked before: it is not read again.</param>
    /// <param name="planOnly">Whether a model without weights will do: a plan is made of config.json alone.</param>
    /// <param name="runFolder">The run's folder; where the index in it holds, the data have been checked and are not read.</param>
    /// <param name="progress">Told how far the data are read.</param>
    /// <exception cref="PeftException">Names the file or key and what to do.</exception>
    public static CheckedRun Check(
        RunSpec spec,
        Func<string, string> where,
        bool dataIsKnown = false,
        bool planOnly = false,
        string? runFolder = null,
        IProgress<DataProgress>? progress = null
    )
    {
        if (File.Exists(spec.Model.Path))
            throw new PeftException(
                $"{where("model.path")}: model.path: {spec.Model.Path} is a file; name the folder with config.json and model.safetensors"
            );
        var model = ModelFolder.Open(spec.Model.Path);
        spec = spec with { Model = spec.Model with { Path = model.Path } };
        if (!(planOnly || MethodTraits.Of(spec.Method).TrainsBase) || model.HasWeights) WeightChecks.Check(model);
        foreach (var (i, source) in spec.Data.Train.Index()) RequireFile(source.Path, spec.Data.Train.KeyOf(i), where);
        if (spec.Data.Validation?.Path is { } validation) RequireFile(validation, "data.validation.path", where);
        if (spec.Data.Evaluation?.Path is { } evaluation) RequireFile(evaluation, "data.evaluation.path", where);
        if (!ChatTemplateNames.IsName(spec.Data.ChatTemplate)) RequireTemplate(spec.Data.ChatTemplate, where);
        if (TrainingData.NeedsTokenizer(spec.Data) && !model.HasTokenizer)
        {
            throw new PeftException(
                $"{where("model.path")}: model.path: {spec.Model.Path} has no tokenizer (tokenizer.json, tokenizer.model, or vocab.json "
                    + "with merges.txt); "
                    + "copy the model's tokenizer files there, or use data.train.format tokens"
            );
        }

        Modules(spec, model, where);
        if (spec.Method.InitialAdapter is { } adapter) Adapter(spec, adapter, model, where);
        return new CheckedRun(model, dataIsKnown ? null : Data(spec, model, runFolder, progress));
    }

    private static TrainingData Data(RunSpec spec, ModelFolder model, string? runFolder, IProgress<DataProgress>? progress)
    {
        var tokenizer = TrainingData.NeedsTokenizer(spec.Data) ? model.Tokenizer : null;
        var data = TrainingData.Load(spec, runFolder, tokenizer, model.Vocabulary, saves: false, progress);
        try
        {
            if (spec.Data.Evaluation is { } source) Problems(source, tokenizer!, model);
            return data;
        }
        catch
        {
            data.Dispose();
            throw;
        }
    }

    private static void Problems(EvaluationSource source, ITextTokenizer tokenizer, ModelFolder model)
    {
        foreach (var (i, problem) in EvaluationProblems.Read(source.Path).Index())
            RequirePrompt($"{source.Path}, problem {i + 1}", problem, source.MaxNewTokens, tokenizer, model);
    }

    private static void RequirePrompt(string place, EvaluationProblem problem, int length, ITextTokenizer tokenizer, ModelFolder model)
    {
        var ids = tokenizer.Encode(problem.Prompt, addSpecialTokens: true);
        if (ids.Length == 0) throw new PeftException($"{place}: the prompt has no token; write at least one character");
        if (Array.Find(ids, id => id >= model.Vocabulary) is var large and > 0)
            throw new PeftException(
                $"{place}: token id {large} is not below the model's vocab_size {model.Vocabulary}; tokenizer and model do not belong "
                    + "together"
            );
        model.GenerationBound?.Require(ids.Length, length, "data.evaluation.max_new_tokens", place + ": ");
    }

    private static void Adapter(RunSpec spec, string adapter, ModelFolder model, Func<string, string> where)
    {
        var config = Path.Combine(adapter, AdapterFolder.ConfigName);
        if (!File.Exists(config))
        {
            throw new PeftException($"{where("method.initial_adapter")}: method.initial_adapter: {config} not found; "
                + $"name an adapter folder, with {AdapterFolder.ConfigName} and {AdapterFolder.WeightsName}");
        }

        AdapterFolder.Read(adapter).CheckStart(spec.Method, model, where);
    }

    private static void Modules(RunSpec spec, ModelFolder model, Func<string, string> where)
    {
        if (MethodTraits.Of(spec.Method).TrainsBase) return;
        const string Key = "method.target_modules";
        if (TargetModules.Unknown(spec.Method, model.Dimensions) is { } unknown)
            throw new PeftException($"{where(Key)}: {Key}: {TargetModules.Refusal(unknown, model.Dimensions)}");
        var targets = Enumerable.Range(0, model.Dimensions.Blocks)
            .SelectMany(block => model.Dimensions.InBlock(spec.Method, block))
            .Select(static module => (module.Linear.Name, (long)module.Linear.Out, (long)module.Linear.In))
            .Distinct();
        var broken = RunRules.CheckShapes(spec.Method, targets).Select(rule => $"{where(rule.Key)}: {rule.Key}: {rule.Message}").ToArray();
        if (broken.Length > 0) throw new PeftException(string.Join('\n', broken));
    }

    private static void RequireTemplate(string path, Func<string, string> where)
    {
        const string Key = "data.chat_template";
        if (!File.Exists(path))
            throw new PeftException(
                $"{where(Key)}: {Key}: {path} not found; name a .jinja file, or write {string.Join(", ", ChatTemplateNames.All)}");
    }

    private static void RequireFile(string path, string key, Func<string, string> where)
    {
        var files = DataFiles.Find(path);
        if (files.Count == 0 && Directory.Exists(path))
            throw Refused($"is a folder without data files ({DataFiles.Kinds}); {DataRemedy}");
        if (files.Count == 0) throw Refused($"{(DataFiles.StandsForMany(path) ? "matches no file" : "not found")}; {DataRemedy}");
        foreach (var other in files)
        {
            if (RegularFile.OtherKind(other) is { } kind)
                throw new PeftException($"{where(key)}: {key}: {other} is not a regular file but {kind}; write what it gives into a file");
        }

        if (files is [var file] && new FileInfo(file).Length == 0) throw Refused("is empty; it needs one sample per line");

        PeftException Refused(string why) => new($"{where(key)}: {key}: {path} {why}");
    }
}
