using System.Text.Json.Nodes;

namespace Peft.Orleans.Data.Tokenizers;

/// <summary>Members of JSON objects that other programs wrote; what has another type than expected is said so.</summary>
internal static class JsonMembers
{
    // Names that occur twice in an object are found out by the first look into it.
    public static JsonNode? Member(JsonNode? node, string key)
    {
        try
        {
            return (node as JsonObject)?[key];
        }
        catch (ArgumentException error)
        {
            throw new FormatException($"an object with \"{key}\" has a key twice", error);
        }
    }

    public static JsonArray List(JsonObject node, string key) =>
        Member(node, key) as JsonArray ?? throw new FormatException($"post_processor.{key} is not a list");

    public static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    public static int Id(JsonNode? node, string where) =>
        node is JsonValue value && value.TryGetValue<int>(out var id) && id is >= 0 and <= TokenizerConfig.LargestId
            ? id
            : throw new FormatException($"{where} {node?.ToJsonString() ?? "null"}, which is no token id");
}
