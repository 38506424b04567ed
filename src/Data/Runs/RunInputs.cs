using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Datasets.Files;
using Peft.Orleans.Data.Datasets.Indexes;
using Peft.Orleans.Data.Files;

namespace Peft.Orleans.Data.Runs;

/// <summary>Who reads a file that a run depends on.</summary>
[Flags]
public enum InputKinds
{
    /// <summary>Training, validation and evaluation data.</summary>
    Data = 1,

    /// <summary>Tokenizer and chat template.</summary>
    Tokenizer = 2,

    /// <summary>The model's configuration.</summary>
    Model = 4,

    /// <summary>The adapter a run starts from.</summary>
    Adapter = 8,

    /// <summary>All of them.</summary>
    All = Data | Tokenizer | Model | Adapter,
}

/// <summary>
/// The files that a run's bits depend on, as they were when it was created: <c>inputs/files.json</c> in its folder. A step is a pure
/// function of the run file and the version before it only while these are the same. Size, time and inode are compared first, the content
/// where those differ. Base weights are in <see cref="WeightRecord"/>.
/// </summary>
public static class RunInputs
{
    private const string Subfolder = "inputs";
    private const string FileName = "files.json";

    private static readonly string[] ModelFiles = ["config.json", "generation_config.json"];

    private static readonly string[] TokenizerFiles =
    [
        "tokenizer.json",
        "tokenizer.model",
        "vocab.json",
        "merges.txt",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "chat_template.jinja",
        "chat_template.json",
        "additional_chat_templates/tool_use.jinja",
    ];

    private static readonly string[] AdapterFiles = [RunFolder.AdapterConfigName, RunFolder.AdapterTensorsName];

    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    };

    /// <summary>The folder of a run's records.</summary>
    internal static string FolderOf(string runFolder) => Path.Combine(runFolder, Subfolder);

    /// <summary>Records the files of a run that has just been created; a run that has a record keeps it.</summary>
    public static void Record(string runFolder, RunSpec spec)
    {
        var path = Path.Combine(FolderOf(runFolder), FileName);
        if (File.Exists(path)) return;
        // Whoever checked the data has hashed them.
        SampleIndex.LearnHashes(new RunFolder(runFolder).SampleIndex);
        var files = Present(spec)
            .Select(static file => new RecordedFile(file.Key, file.Kind, file.Path, FileStamp.Of(file.Path)!, FileStamp.Sha256(file.Path)))
            .ToArray();
        var weights = WeightFilesOf(spec.Model.Path).Select(static file => new RecordedWeights(file, FileStamp.Of(file)!)).ToArray();
        Directory.CreateDirectory(FolderOf(runFolder));
        var temporary = $"{path}.{Environment.ProcessId}.tmp";
        File.WriteAllText(temporary, JsonSerializer.Serialize(new Recorded(files, weights), Options));
        File.Move(temporary, path, overwrite: true);
    }

    /// <summary>Compares a run's files with what they were when it was created. A run without a record is not compared.</summary>
    /// <param name="runFolder">The run's folder.</param>
    /// <param name="spec">Its run file.</param>
    /// <param name="kinds">Which files.</param>
    /// <param name="silo">Who looks, for messages; null: the client.</param>
    /// <exception cref="PeftException">
    /// A file is another one; it is named, with both hashes. Of a silo: <see cref="UnfitSiloException"/>.
    /// </exception>
    public static void Check(string runFolder, RunSpec spec, InputKinds kinds, string? silo = null) =>
        Check(runFolder, Present(spec), kinds, silo);

    /// <summary>Compares what layer shards are made of; the run file is not needed for that.</summary>
    /// <exception cref="UnfitSiloException">A file is another one; it is named, with silo and both hashes.</exception>
    public static void Check(string runFolder, ModelChoice setup, string silo) =>
        Check(runFolder, Present(setup.Path, setup.Method), InputKinds.Model | InputKinds.Adapter, silo);

    private static void Check(string runFolder, IEnumerable<InputFile> present, InputKinds kinds, string? silo)
    {
        if (Read(runFolder) is not { } recorded) return;
        foreach (var file in recorded.Files.Where(file => kinds.HasFlag(file.Kind)))
        {
            var stamp = FileStamp.Of(file.Path);
            if (stamp == file.Stamp) continue;
            var remedy = $"put the file back as it was, or start another run (recorded in {Path.Combine(FolderOf(runFolder), FileName)})";
            if (stamp is null)
                throw Refusal($"{file.Key}: {file.Path} is gone; its sha256 was {file.Sha256} when the run was created; {remedy}");
            var now = FileStamp.Sha256(file.Path);
            if (now != file.Sha256)
            {
                throw Refusal(
                    $"{file.Key}: {file.Path} changed since the run was created: its sha256 was {file.Sha256}, now it is {now}; {remedy}");
            }
        }

        var known = recorded.Files.Select(static file => file.Path).ToHashSet(StringComparer.Ordinal);
        foreach (var file in present.Where(file => kinds.HasFlag(file.Kind) && !known.Contains(file.Path)))
            throw Refusal($"{file.Key}: {file.Path} was not there when the run was created; remove it, or start another run");

        PeftException Refusal(string reason) => silo is null ? new PeftException(reason) : new UnfitSiloException(silo, ": " + reason);
    }

    /// <summary>Compares all of a run's files, and those of its base weights whose stamps changed, tensor by tensor.</summary>
    /// <exception cref="PeftException">Something is another one; it is named, with both hashes.</exception>
    public static void CheckAll(string runFolder, RunSpec spec)
    {
        Check(runFolder, spec, InputKinds.All);
        if (Read(runFolder) is not { } recorded) return;
        var changed = recorded.Weights.Where(static file => FileStamp.Of(file.Path) != file.Stamp).Select(static file => file.Path);
        WeightRecord.CheckFiles(runFolder, spec.Model.Path, changed.ToHashSet(StringComparer.Ordinal));
    }

    private static Recorded? Read(string runFolder)
    {
        var path = Path.Combine(FolderOf(runFolder), FileName);
        if (!Path.Exists(path)) return null;
        try
        {
            return JsonSerializer.Deserialize<Recorded>(JsonText.ReadAll(path, remedy: ""), Options) is { } recorded
                && recorded.Files.All(static file => IsPath(file?.Path))
                && recorded.Weights.All(static file => IsPath(file?.Path))
                ? recorded
                : throw new JsonException("a file in it has no whole path");
        }
        catch (JsonException error)
        {
            throw new PeftException($"{path}: not the record of a run's files: {JsonText.Reason(error)}; start another run", error);
        }
    }

    private static bool IsPath(string? path) => Path.IsPathFullyQualified(path ?? "") && !path!.Contains('\0', StringComparison.Ordinal);

    /// <summary>The files of a run that are there.</summary>
    private static IEnumerable<InputFile> Present(RunSpec spec)
    {
        (string Key, string Path)[] data =
        [
            .. spec.Data.Train.Select((source, i) => (spec.Data.Train.KeyOf(i), source.Path)),
            ("data.validation.path", spec.Data.Validation?.Path ?? ""),
            ("data.evaluation.path", spec.Data.Evaluation?.Path ?? ""),
        ];
        return data.SelectMany(static item => DataFiles.Find(item.Path).Select(file => new InputFile(item.Key, InputKinds.Data, file)))
            .Concat(In("model.path", InputKinds.Tokenizer, spec.Model.Path, TokenizerFiles))
            .Append(new InputFile("data.chat_template", InputKinds.Tokenizer, Template(spec.Data.ChatTemplate)))
            .Where(static file => File.Exists(file.Path))
            .Concat(Present(spec.Model.Path, spec.Method));
    }

    private static string Template(string name) => ChatTemplateNames.IsName(name) ? "" : name;

    private static IEnumerable<InputFile> Present(string model, MethodSpec method)
    {
        var files = In("model.path", InputKinds.Model, model, ModelFiles);
        if (method.InitialAdapter is { } adapter)
            files = files.Concat(In("method.initial_adapter", InputKinds.Adapter, adapter, AdapterFiles));
        return files.Where(static file => File.Exists(file.Path));
    }

    private static IEnumerable<InputFile> In(string key, InputKinds kind, string folder, string[] names) =>
        names.Select(name => new InputFile(key, kind, Path.Combine(folder, name)));

    private static IEnumerable<string> WeightFilesOf(string folder) => Directory.Exists(folder)
        ? Directory.EnumerateFiles(folder, "*.safetensors")
            .Concat(Directory.EnumerateFiles(folder, "*.safetensors.index.json"))
            .Order(StringComparer.Ordinal)
        : [];

    private sealed record InputFile(string Key, InputKinds Kind, string Path);

    private sealed record Recorded(RecordedFile[] Files, RecordedWeights[] Weights);

    private sealed record RecordedFile(string Key, InputKinds Kind, string Path, FileStamp Stamp, string Sha256);

    private sealed record RecordedWeights(string Path, FileStamp Stamp);
}
