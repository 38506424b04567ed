using System.Text.Json.Nodes;
using static Peft.Orleans.Data.Tokenizers.JsonMembers;

namespace Peft.Orleans.Data.Tokenizers;

/// <summary>The ids that a <c>post_processor</c> puts before and after a text.</summary>
internal static class TokenTemplate
{
    /// <summary>Reads a post-processor; null puts nothing.</summary>
    /// <exception cref="FormatException">It is malformed, or does something else than adding tokens.</exception>
    public static (int[] Prefix, int[] Suffix) Read(JsonNode? node)
    {
        if (node is null) return ([], []);
        var template = node as JsonObject ?? throw new FormatException("post_processor is not an object");
        switch (Text(Member(template, "type")))
        {
            case "ByteLevel":
                return ([], []);
            case "Sequence":
                var parts = List(template, "processors").Select(Read).ToArray();
                return ([.. parts.Reverse().SelectMany(static part => part.Prefix)], [.. parts.SelectMany(static part => part.Suffix)]);
            case "TemplateProcessing":
                var single = List(template, "single");
                var text = single.TakeWhile(static item => Member(item, "Sequence") is null).Count();
                return (Ids(template, single.Take(text)), Ids(template, single.Skip(text + 1)));
            case var type:
                throw new FormatException(
                    $"post_processor {type ?? "without a type"} is not supported (supported: TemplateProcessing, ByteLevel, Sequence)"
                );
        }
    }

    private static int[] Ids(JsonObject template, IEnumerable<JsonNode?> items) =>
        [
            .. items.SelectMany(item =>
            {
                var name = Text(Member(Member(item, "SpecialToken"), "id"))
                    ?? throw new FormatException("post_processor.single has an entry that is neither Sequence nor SpecialToken");
                var ids =
                    Member(Member(Member(template, "special_tokens"), name), "ids") as JsonArray
                    ?? throw new FormatException($"post_processor.special_tokens has no ids of '{name}'");
                return ids.Select(static id => Id(id, "post_processor has an id"));
            }),
        ];
}
