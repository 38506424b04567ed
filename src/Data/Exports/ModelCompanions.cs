using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Orleans.Core;
using Peft.Orleans.Data.ChatTemplates;
using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Data.Exports;

/// <summary>
/// The files beside weights that other programs need: configuration, tokenizer, the chat template trained with, the tokens that end a
/// text.
/// </summary>
public static class ModelCompanions
{
    private const string TokenizerConfigFile = "tokenizer_config.json";
    private const string TemplateFile = "chat_template.jinja";
    private const string GenerationFile = "generation_config.json";

    private static readonly string[] TokenizerFiles =
    [
        "tokenizer.json",
        "tokenizer.model",
        TokenizerConfigFile,
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.json",
        "merges.txt",
        TemplateFile,
    ];

    internal static readonly JsonSerializerOptions Indented = new()
    {
        WriteIndented = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Writes the files of a model folder.</summary>
    /// <param name="source">The base model's folder.</param>
    /// <param name="target">The folder of the new weights.</param>
    /// <param name="dtype">Type of these, as config.json spells it.</param>
    /// <param name="prompts">What it was trained with.</param>
    public static void WriteModel(string source, string target, string dtype, TrainedPrompts prompts)
    {
        foreach (var file in Directory.EnumerateFiles(source))
        {
            var name = Path.GetFileName(file);
            if (IsCompanion(name)) Copy(file, Path.Combine(target, name));
        }

        var config = Read(Path.Combine(source, "config.json"));
        config[config.ContainsKey("dtype") ? "dtype" : "torch_dtype"] = dtype;
        Write(Path.Combine(target, "config.json"), config);
        WriteTemplate(target, prompts);
        WriteEndTokens(ModelFolder.Open(source), config, target, prompts);
    }

    /// <summary>Writes the tokenizer's files and the template beside an adapter that was trained with a template; else nothing.</summary>
    /// <param name="source">The base model's folder.</param>
    /// <param name="target">The adapter's folder.</param>
    /// <param name="prompts">What it was trained with.</param>
    public static void WriteAdapter(string source, string target, TrainedPrompts prompts)
    {
        if (prompts.Template is null && prompts.Text is null) return;
        CopyTokenizer(source, target);
        WriteTemplate(target, prompts);
    }

    /// <summary>Copies the tokenizer's files, the chat template among them, as far as a folder has them.</summary>
    public static void CopyTokenizer(string source, string target)
    {
        foreach (var name in TokenizerFiles.Where(name => File.Exists(Path.Combine(source, name))))
            Copy(Path.Combine(source, name), Path.Combine(target, name));
    }

    // The content alone: a cache's files are links, and may be read-only.
    private static void Copy(string source, string target)
    {
        using var from = File.OpenRead(source);
        using var to = File.Create(target);
        from.CopyTo(to);
    }

    private static bool IsCompanion(string name) => Path.GetExtension(name) is ".json" or ".model" or ".txt" or ".jinja"
        && name != "config.json" && !name.EndsWith(".index.json", StringComparison.Ordinal);

    private static void WriteTemplate(string target, TrainedPrompts prompts)
    {
        if (prompts.Text is not { } text) return;
        var path = Path.Combine(target, TokenizerConfigFile);
        var config = File.Exists(path) ? Read(path) : [];
        config["chat_template"] = text;
        Write(path, config);
        // A file of its own counts before the key.
        if (File.Exists(Path.Combine(target, TemplateFile))) File.WriteAllText(Path.Combine(target, TemplateFile), text);
    }

    private static void WriteEndTokens(ModelFolder model, JsonObject config, string target, TrainedPrompts prompts)
    {
        var ends = prompts.EndTokens(model);
        if (ends.Count == model.EndTokens.Count) return;
        var path = Path.Combine(target, GenerationFile);
        JsonObject generation;
        if (File.Exists(path))
        {
            generation = Read(path);
        }
        else
        {
            // Without the file these would be read from config.json.
            generation = [];
            foreach (var key in (string[])["bos_token_id", "pad_token_id"])
            {
                if (config[key] is { } id) generation[key] = id.DeepClone();
            }
        }

        generation["eos_token_id"] = new JsonArray([.. ends.Select(static id => (JsonNode)id)]);
        Write(path, generation);
    }

    private static JsonObject Read(string path)
    {
        try
        {
            return JsonNode.Parse(File.ReadAllText(path)) as JsonObject ?? throw new PeftException($"{path}: not a JSON object");
        }
        catch (JsonException error)
        {
            throw new PeftException($"{path}: invalid JSON: {error.Message}", error);
        }
    }

    private static void Write(string path, JsonObject value) => File.WriteAllText(path, value.ToJsonString(Indented));
}
