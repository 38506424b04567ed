using System.Text.Json;
using Peft.Orleans.Core;

namespace Peft.Orleans.Data.Tokenizers;

/// <summary>What <c>tokenizer_config.json</c> (and <c>special_tokens_map.json</c>) say about special tokens and the chat template.</summary>
/// <param name="BosToken">Text of the beginning-of-text token.</param>
/// <param name="EosToken">Text of the end-of-text token.</param>
/// <param name="UnkToken">Text of the unknown token.</param>
/// <param name="AddBosToken">Whether texts begin with BOS; null: not said.</param>
/// <param name="AddEosToken">Whether texts end with EOS; null: not said.</param>
/// <param name="AddPrefixSpace">Whether a space is put before the text; null: not said.</param>
/// <param name="AddedTokens">Added tokens with their ids.</param>
/// <param name="ChatTemplate">The chat template (Jinja); null: none.</param>
/// <param name="ChatTemplateFile">The file the chat template comes from.</param>
public sealed record TokenizerConfig(
    string? BosToken,
    string? EosToken,
    string? UnkToken,
    bool? AddBosToken,
    bool? AddEosToken,
    bool? AddPrefixSpace,
    IReadOnlyDictionary<string, int> AddedTokens,
    string? ChatTemplate,
    string ChatTemplateFile)
{
    /// <summary>Says nothing.</summary>
    public static readonly TokenizerConfig Empty = new(null, null, null, null, null, null, new Dictionary<string, int>(), null, "");

    /// <summary>Reads a folder's files; absent ones say nothing.</summary>
    public static TokenizerConfig Read(string folder)
    {
        var file = Path.Combine(folder, "tokenizer_config.json");
        var config = Open(file);
        var map = Open(Path.Combine(folder, "special_tokens_map.json"));
        var (template, templateFile) = ReadChatTemplate(folder, file, config);
        return new TokenizerConfig(
            Token(config, "bos_token") ?? Token(map, "bos_token"),
            Token(config, "eos_token") ?? Token(map, "eos_token"),
            Token(config, "unk_token") ?? Token(map, "unk_token"),
            Flag(config, "add_bos_token"),
            Flag(config, "add_eos_token"),
            Flag(config, "add_prefix_space"),
            ReadAddedTokens(config),
            template,
            templateFile);
    }

    private static (string? Template, string File) ReadChatTemplate(string folder, string file, JsonElement config)
    {
        var jinja = Path.Combine(folder, "chat_template.jinja");
        if (File.Exists(jinja)) return (File.ReadAllText(jinja), jinja);
        if (!TryGet(config, "chat_template", out var value)) return (null, file);
        if (value.ValueKind == JsonValueKind.String) return (value.GetString(), file);
        if (value.ValueKind != JsonValueKind.Array) throw new PeftException($"{file}: chat_template is neither a text nor a list of named templates");
        foreach (var item in value.EnumerateArray())
        {
            if (Token(item, "name") == "default" && Token(item, "template") is { } template) return (template, file);
        }

        return (null, file);
    }

    private static Dictionary<string, int> ReadAddedTokens(JsonElement config)
    {
        var tokens = new Dictionary<string, int>(StringComparer.Ordinal);
        if (!TryGet(config, "added_tokens_decoder", out var decoder) || decoder.ValueKind != JsonValueKind.Object) return tokens;
        foreach (var item in decoder.EnumerateObject())
        {
            if (int.TryParse(item.Name, out var id) && Token(item.Value, "content") is { Length: > 0 } text) tokens[text] = id;
        }

        return tokens;
    }

    private static JsonElement Open(string path)
    {
        if (!File.Exists(path)) return default;
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            return document.RootElement.Clone();
        }
        catch (JsonException error)
        {
            throw new PeftException($"{path}: invalid JSON: {error.Message}", error);
        }
    }

    // A token is a text, or an object whose "content" is the text.
    private static string? Token(JsonElement config, string key)
    {
        if (!TryGet(config, key, out var value)) return null;
        if (value.ValueKind == JsonValueKind.Object) return Token(value, "content");
        return value.ValueKind == JsonValueKind.String ? value.GetString() : null;
    }

    private static bool? Flag(JsonElement config, string key) =>
        TryGet(config, key, out var value) && value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : null;

    private static bool TryGet(JsonElement element, string key, out JsonElement value)
    {
        value = default;
        return element.ValueKind == JsonValueKind.Object && element.TryGetProperty(key, out value);
    }
}
