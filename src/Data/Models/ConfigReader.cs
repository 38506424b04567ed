using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Files;

namespace Peft.Orleans.Data.Models;

/// <summary>Typed access to a Hugging Face JSON file; every error names the file and the key.</summary>
public sealed class ConfigReader
{
    // Sizes above are damage, and their products would overflow.
    private const int LargestSize = 1 << 24;

    private readonly string prefix;
    private readonly JsonElement root;

    private ConfigReader(string file, string prefix, JsonElement root)
    {
        File = file;
        this.prefix = prefix;
        this.root = root;
    }

    /// <summary>Path of the file.</summary>
    public string File { get; }

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="remedy">What to do where it is absent.</param>
    /// <exception cref="PeftException">There is no such file, or it holds no JSON object.</exception>
    public static ConfigReader Read(string path, string remedy) =>
        new(path, "", JsonText.ReadObject(path, remedy));

    /// <summary>All keys, those without a value too.</summary>
    public IEnumerable<string> Keys => root.EnumerateObject().Select(static property => property.Name);

    /// <summary>Whether a key is there and not null.</summary>
    public bool Has(string key) => TryGet(key, out _);

    /// <summary>Whether a key says more than null, false, or an empty text, list or object.</summary>
    public bool IsSet(string key) => TryGet(key, out var value) && value.ValueKind switch
    {
        JsonValueKind.False => false,
        JsonValueKind.String => !value.ValueEquals(""),
        JsonValueKind.Array => value.GetArrayLength() > 0,
        JsonValueKind.Object => value.EnumerateObject().Any(),
        _ => true,
    };

    /// <summary>Whether a key's value is a text.</summary>
    public bool IsText(string key) => TryGet(key, out var value) && value.ValueKind == JsonValueKind.String;

    /// <summary>Whether a key's value is true or false.</summary>
    public bool IsFlag(string key) => TryGet(key, out var value) && value.ValueKind is JsonValueKind.True or JsonValueKind.False;

    /// <summary>A key's value as it is written; null: there is none.</summary>
    public string? Raw(string key) => TryGet(key, out var value) ? value.GetRawText() : null;

    /// <summary>What refuses a key's value, with <paramref name="reason"/> after it.</summary>
    public PeftException Refusal(string key, string reason)
    {
        var found = Raw(key) ?? "missing";
        return new PeftException($"{File}: {prefix}{key} is {(found.Length > 60 ? found[..60] + "…" : found)}; {reason}");
    }

    /// <summary>An object below a key; null where there is none.</summary>
    public ConfigReader? Section(string key)
    {
        if (!TryGet(key, out var value)) return null;
        if (value.ValueKind != JsonValueKind.Object) throw Wrong(key, value, "an object");
        return new ConfigReader(File, $"{prefix}{key}.", value);
    }

    /// <summary>A string; null where there is none.</summary>
    public string? Text(string key)
    {
        if (!TryGet(key, out var value)) return null;
        return value.ValueKind == JsonValueKind.String ? value.GetString() : throw Wrong(key, value, "a string");
    }

    /// <summary>A list of strings; empty where there is none.</summary>
    public IReadOnlyList<string> Texts(string key)
    {
        if (!TryGet(key, out var value)) return [];
        if (value.ValueKind != JsonValueKind.Array) throw Wrong(key, value, "a list of strings");
        return
        [
            .. value.EnumerateArray().Select(item =>
                item.ValueKind == JsonValueKind.String ? item.GetString()! : throw Wrong(key, value, "a list of strings")),
        ];
    }

    /// <summary>True or false.</summary>
    public bool Flag(string key, bool absent)
    {
        if (!TryGet(key, out var value)) return absent;
        return value.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => throw Wrong(key, value, "true or false"),
        };
    }

    /// <summary>A finite number; required where <paramref name="absent"/> is null.</summary>
    public double Number(string key, double? absent = null)
    {
        if (!TryGet(key, out var value)) return absent ?? throw Missing(key);
        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && double.IsFinite(number)
            ? number
            : throw Wrong(key, value, "a number");
    }

    /// <summary>An integer; null where there is none.</summary>
    public int? OptionalInteger(string key)
    {
        if (!TryGet(key, out var value))
            return null;
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number)
            ? number
            : throw Wrong(key, value, "an integer");
    }

    /// <summary>An integer above 0; required where <paramref name="absent"/> is null.</summary>
    public int PositiveInteger(string key, int? absent = null)
    {
        var number = OptionalInteger(key) ?? absent ?? throw Missing(key);
        return number switch
        {
            <= 0 => throw new PeftException($"{File}: {prefix}{key} is {number}; it must be positive"),
            > LargestSize => throw new PeftException($"{File}: {prefix}{key} is {number}; no model is so large (at most {LargestSize})"),
            _ => number,
        };
    }

    /// <summary>An integer or a list of some; empty where there is none.</summary>
    public int[] Integers(string key)
    {
        if (!TryGet(key, out var value)) return [];
        if (value.ValueKind != JsonValueKind.Array) return [OptionalInteger(key)!.Value];
        return [.. value.EnumerateArray().Select(item =>
            item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out var number) ? number : throw Wrong(key, value, "integers"))];
    }

    /// <summary>The type of a checkpoint's weights, <c>dtype</c> or, before transformers 5, <c>torch_dtype</c>; null: not said.</summary>
    public WeightType? StoredType()
    {
        var name = Text("dtype") ?? Text("torch_dtype");
        return name switch
        {
            null or "auto" => null,
            "float32" or "torch.float32" => WeightType.Float32,
            "bfloat16" or "torch.bfloat16" => WeightType.BFloat16,
            "float16" or "torch.float16" => WeightType.Float16,
            _ => throw new PeftException($"{File}: dtype {name} is not supported; supported: float32, bfloat16, float16"),
        };
    }

    private bool TryGet(string key, out JsonElement value) =>
        root.TryGetProperty(key, out value) && value.ValueKind is not (JsonValueKind.Null or JsonValueKind.Undefined);

    private PeftException Missing(string key) => new($"{File}: the key {prefix}{key} is missing");

    private PeftException Wrong(string key, JsonElement value, string expected)
    {
        var found = value.GetRawText();
        return new PeftException($"{File}: {prefix}{key} is {(found.Length > 60 ? found[..60] + "…" : found)}; expected {expected}");
    }
}
