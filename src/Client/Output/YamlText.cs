using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Peft.Orleans.Client.Output;

/// <summary>JSON data as YAML in block style; scalars keep their JSON spelling, which is YAML too.</summary>
internal static class YamlText
{
    /// <summary>The data as a YAML document.</summary>
    public static string Write(JsonNode? node)
    {
        var text = new StringBuilder();
        Append(node, 0, text, inSequence: false);
        return text.ToString();
    }

    private static void Append(JsonNode? node, int depth, StringBuilder text, bool inSequence)
    {
        var indent = new string(' ', 2 * depth);
        switch (node)
        {
            case JsonObject { Count: > 0 } map:
                var first = inSequence;
                foreach (var (key, value) in map)
                {
                    text.Append(first ? "" : indent).Append(key).Append(':');
                    first = false;
                    Nested(value, depth, text);
                }

                break;
            case JsonArray { Count: > 0 } list:
                foreach (var item in list)
                {
                    text.Append(indent).Append("- ");
                    if (item is JsonObject { Count: > 0 }) Append(item, depth + 1, text, inSequence: true);
                    else text.Append(Scalar(item)).Append('\n');
                }

                break;
            default:
                text.Append(indent).Append(Scalar(node)).Append('\n');
                break;
        }
    }

    private static void Nested(JsonNode? value, int depth, StringBuilder text)
    {
        if (value is JsonObject { Count: > 0 } || (value is JsonArray { Count: > 0 } list && list.Any(static item => item is JsonObject)))
        {
            text.Append('\n');
            Append(value, depth + 1, text, inSequence: false);
        }
        else
        {
            text.Append(' ').Append(Scalar(value)).Append('\n');
        }
    }

    // Nested lists of scalars stay in flow style: JSON is YAML.
    private static string Scalar(JsonNode? node) =>
        node is null
            ? "null"
            : node.ToJsonString(
                new JsonSerializerOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }
            );
}
