using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Peft.Orleans.Core;
using Peft.Orleans.Data.Files;

namespace Peft.Orleans.Data.Tokenizers;

/// <summary>
/// What <c>tokenizer_config.json</c> (and <c>special_tokens_map.json</c>) say about special tokens and the chat template.
/// </summary>
/// <param name="BosToken">Text of the beginning-of-text token.</param>
/// <param name="EosToken">Text of the end-of-text token.</param>
/// <param name="UnkToken">Text of the unknown token.</param>
/// <param name="AddBosToken">Whether texts begin with BOS; null: not said.</param>
/// <param name="AddEosToken">Whether texts end with EOS; null: not said.</param>
/// <param name="AddPrefixSpace">Whether a space is put before the text; null: not said.</param>
/// <param name="AddedTokens">Added tokens with their ids.</param>
/// <param name="ChatTemplate">The chat template (Jinja); null: none.</param>
/// <param name="ChatTemplateFile">The file the chat template comes from.</param>
internal sealed record TokenizerConfig(
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
    /// <summary>The chat template for conversations with tools, where there is one of its own (<c>tool_use</c>).</summary>
    public string? ToolTemplate { get; init; }

    /// <summary>Special tokens by the names that chat templates know them by (<c>bos_token</c>, <c>pad_token</c>, …).</summary>
    public IReadOnlyDictionary<string, string> NamedTokens { get; init; } = new Dictionary<string, string>();

    /// <summary>No vocabulary has ids above this; larger ones are damage.</summary>
    internal const int LargestId = 1 << 28;

    /// <summary>The names of special tokens that chat templates know.</summary>
    internal static readonly string[] NamedTokenKeys =
        ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

    /// <summary>Says nothing.</summary>
    public static readonly TokenizerConfig Empty = new(null, null, null, null, null, null, new Dictionary<string, int>(), null, "");

    /// <summary>Reads a folder's files; absent ones say nothing.</summary>
    public static TokenizerConfig Read(string folder)
    {
        var file = Path.Combine(folder, "tokenizer_config.json");
        var mapFile = Path.Combine(folder, "special_tokens_map.json");
        var config = Open(file);
        var map = Open(mapFile);
        if (Flag(file, config, "split_special_tokens") == true)
            throw new PeftException(
                $"{file}: split_special_tokens is true: special tokens in a text would be split as other text, which this version does not "
                    + "do; write false");
        var (template, templateFile) = ReadChatTemplate(folder, file, config);
        return new TokenizerConfig(
            Token(file, config, "bos_token") ?? Token(mapFile, map, "bos_token"),
            Token(file, config, "eos_token") ?? Token(mapFile, map, "eos_token"),
            Token(file, config, "unk_token") ?? Token(mapFile, map, "unk_token"),
            Flag(file, config, "add_bos_token"),
            Flag(file, config, "add_eos_token"),
            Flag(file, config, "add_prefix_space"),
            ReadAddedTokens(file, config),
            template,
            templateFile)
        {
            ToolTemplate = ReadToolTemplate(folder, file, config),
            NamedTokens = NamedTokenKeys
                .Select(key => (Key: key, Text: Token(file, config, key) ?? Token(mapFile, map, key)))
                .Where(static token => token.Text is not null)
                .ToDictionary(static token => token.Key, static token => token.Text!),
        };
    }

    private static (string? Template, string File) ReadChatTemplate(string folder, string file, JsonElement config)
    {
        var jinja = Path.Combine(folder, "chat_template.jinja");
        if (File.Exists(jinja))
            return (ReadJinja(jinja), jinja);
        if (!TryGet(config, "chat_template", out var value) || value.ValueKind == JsonValueKind.Null)
            return (null, file);
        if (value.ValueKind == JsonValueKind.String)
            return (value.GetString(), file);
        if (value.ValueKind != JsonValueKind.Array)
            throw new PeftException($"{file}: chat_template is neither a text nor a list of named templates");
        return (Named(file, value, "default"), file);
    }

    // Models that render tools by a template of their own have it in a folder, or as an entry of the list.
    private static string? ReadToolTemplate(string folder, string file, JsonElement config)
    {
        var jinja = Path.Combine(folder, "additional_chat_templates", "tool_use.jinja");
        if (File.Exists(jinja)) return ReadJinja(jinja);
        return !File.Exists(Path.Combine(folder, "chat_template.jinja"))
            && TryGet(config, "chat_template", out var value) && value.ValueKind == JsonValueKind.Array
            ? Named(file, value, "tool_use")
            : null;
    }

    private static string? Named(string file, JsonElement list, string wanted)
    {
        string? found = null;
        foreach (var item in list.EnumerateArray())
        {
            if (!TryGet(item, "name", out var name) || !TryGet(item, "template", out var template)
                || name.ValueKind != JsonValueKind.String || template.ValueKind != JsonValueKind.String)
                throw new PeftException($"{file}: chat_template has an entry without the texts \"name\" and \"template\"");
            if (name.ValueEquals(wanted)) found ??= template.GetString();
        }

        return found;
    }

    /// <summary>A template's file.</summary>
    public static string ReadJinja(string path, string remedy = "")
    {
        var bytes = FileContent.WithoutMark(JsonText.ReadAll(path, remedy)).Span;
        return Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : throw new PeftException($"{path}: not valid UTF-8");
    }

    private static Dictionary<string, int> ReadAddedTokens(string file, JsonElement config)
    {
        var tokens = new Dictionary<string, int>(StringComparer.Ordinal);
        if (!TryGet(config, "added_tokens_decoder", out var decoder) || decoder.ValueKind == JsonValueKind.Null) return tokens;
        if (decoder.ValueKind != JsonValueKind.Object) throw new PeftException($"{file}: added_tokens_decoder is no object of id: token");
        foreach (var item in decoder.EnumerateObject())
        {
            if (!int.TryParse(item.Name, NumberStyles.None, CultureInfo.InvariantCulture, out var id) || id > LargestId)
                throw new PeftException($"{file}: added_tokens_decoder has the key '{item.Name}', which is no token id");
            if (Token(file, item.Value, "content") is { Length: > 0 } text) tokens[text] = id;
        }

        return tokens;
    }

    private static JsonElement Open(string path) =>
        File.Exists(path) || Directory.Exists(path) ? JsonText.ReadObject(path, "") : default;

    // A token is a text, or an object whose "content" is the text.
    private static string? Token(string file, JsonElement config, string key)
    {
        if (!TryGet(config, key, out var value) || value.ValueKind == JsonValueKind.Null)
            return null;
        if (value.ValueKind == JsonValueKind.Object && TryGet(value, "content", out var content))
            value = content;
        return value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : throw Wrong(file, key, value, "a text, or an object with the text \"content\"");
    }

    private static bool? Flag(string file, JsonElement config, string key)
    {
        if (!TryGet(config, key, out var value) || value.ValueKind == JsonValueKind.Null)
            return null;
        return value.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? value.GetBoolean()
            : throw Wrong(file, key, value, "true or false");
    }

    private static PeftException Wrong(string file, string key, JsonElement value, string expected)
    {
        var found = value.GetRawText();
        return new PeftException($"{file}: {key} is {(found.Length > 60 ? found[..60] + "…" : found)}; expected {expected}");
    }

    private static bool TryGet(JsonElement element, string key, out JsonElement value)
    {
        value = default;
        return element.ValueKind == JsonValueKind.Object && element.TryGetProperty(key, out value);
    }
}
