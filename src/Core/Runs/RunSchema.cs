using System.Text.Json;

namespace Peft.Orleans.Core.Runs;

/// <summary>
/// The published JSON schema of the run file (docs/run.schema.json), embedded; validation, suggestions and writing are driven by it.
/// </summary>
public sealed class RunSchema
{
    private static readonly Lazy<RunSchema> Instance = new(static () => new RunSchema());

    private readonly JsonDocument document;
    private readonly Dictionary<string, JsonElement> byPath = new(StringComparer.Ordinal);

    private RunSchema()
    {
        using var stream = typeof(RunSchema).Assembly.GetManifestResourceStream("run.schema.json")!;
        document = JsonDocument.Parse(stream);
        Index("", document.RootElement);
    }

    /// <summary>The schema.</summary>
    public static RunSchema Published => Instance.Value;

    /// <summary>The whole schema.</summary>
    public JsonElement Root => document.RootElement;

    /// <summary>Every key, dotted, in the order of the schema.</summary>
    public IReadOnlyCollection<string> Paths => byPath.Keys;

    /// <summary>The entry of a dotted key.</summary>
    public bool TryGet(string path, out JsonElement entry) => byPath.TryGetValue(path, out entry);

    /// <summary>The default of a key as text (a word or a number); null where there is none, or it is null or a list.</summary>
    public string? DefaultText(string path) =>
        byPath.TryGetValue(path, out var entry) && entry.TryGetProperty("default", out var value)
            ? value.ValueKind switch
            {
                JsonValueKind.String => value.GetString(),
                JsonValueKind.Null or JsonValueKind.Array => null,
                _ => value.GetRawText(),
            }
            : null;

    /// <summary>
    /// Whether a key has a meaning, given the values of other keys (<paramref name="valueOf"/>: dotted key → text or null; those of
    /// several sources separated by commas). When not,
    /// <paramref name="obstacle"/> names the key that decides and the values with which it would have one.
    /// </summary>
    public bool HasMeaning(string path, Func<string, string?> valueOf, out (string Key, string? Value, string[] Wanted) obstacle)
    {
        obstacle = default;
        if (!byPath.TryGetValue(path, out var entry) || !entry.TryGetProperty("x-only-with", out var conditions)) return true;
        foreach (var condition in conditions.EnumerateObject())
        {
            var wanted = condition.Value.EnumerateArray().Select(static value => value.GetString()!).ToArray();
            var keys = condition.Name.Split('|');
            if (keys.Any(key => valueOf(key)?.Split(", ").Any(value => wanted.Contains(value) || !IsAllowed(key, value)) == true)) continue;
            obstacle = (keys[0], valueOf(keys[0]), wanted);
            return false;
        }

        return true;
    }

    /// <summary>
    /// Whether a word is one of the key's values: a misspelt one is reported where it stands, not at every key that depends on it.
    /// </summary>
    private bool IsAllowed(string path, string value) =>
        !byPath.TryGetValue(path, out var entry) || !entry.TryGetProperty("enum", out var values)
        || values.EnumerateArray().Any(allowed => allowed.ValueKind == JsonValueKind.String && allowed.GetString() == value);

    private void Index(string prefix, JsonElement node)
    {
        if (!node.TryGetProperty("properties", out var properties)) return;
        foreach (var property in properties.EnumerateObject())
        {
            var path = prefix.Length == 0 ? property.Name : prefix + "." + property.Name;
            byPath[path] = property.Value;
            Index(path, property.Value);
        }
    }
}
