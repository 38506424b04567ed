using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Peft.Orleans.Data.Files;

namespace Peft.Orleans.Data.Datasets;

/// <summary>The object of a record.</summary>
internal static partial class JsonRecord
{
    /// <summary>A record's object.</summary>
    /// <exception cref="FormatException">The record is not one whole JSON object; says why and what to do.</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> text)
    {
        JsonDocument document;
        try
        {
            document = JsonText.Parse(text);
        }
        catch (FormatException error)
        {
            if (OldMacEnd().IsMatch(Encoding.UTF8.GetString(text.Span)))
                throw new FormatException(
                    "lines end with a carriage return alone, as on old Macs; write them anew: tr '\\r' '\\n' < FILE > NEW",
                    error
                );
            var open = text.Span.TrimStart(" \t\r"u8) is [(byte)'{', ..] && error.Message.EndsWith("closed", StringComparison.Ordinal);
            throw open ? new FormatException($"{error.Message}; a line is one whole object: jq -c . FILE > NEW", error) : error;
        }

        if (document.RootElement.ValueKind == JsonValueKind.Object) return document;
        document.Dispose();
        throw new FormatException("not a JSON object");
    }

    [GeneratedRegex(@"\}[ \t]*\r[ \t]*\{")]
    private static partial Regex OldMacEnd();
}
