using System.Buffers;
using System.Text.Json;

namespace Peft.Orleans.Data.Datasets.Formats;

/// <summary>A format whose fields have other names in the files (<c>data.columns</c>).</summary>
/// <param name="inner">The format.</param>
/// <param name="columns">The files' names, by field.</param>
internal sealed class NamedColumns(SampleFormat inner, IReadOnlyDictionary<string, string> columns) : SampleFormat
{
    public override bool IsTokens => inner.IsTokens;

    public override void Check(JsonElement line)
    {
        using var renamed = Rename(line);
        inner.Check(renamed.RootElement);
    }

    public override (int[] Ids, int[] Labels) Read(JsonElement line)
    {
        using var renamed = Rename(line);
        return inner.Read(renamed.RootElement);
    }

    public override IReadOnlyList<(int[] Ids, int[] Labels)> ReadAll(JsonElement line)
    {
        using var renamed = Rename(line);
        return inner.ReadAll(renamed.RootElement);
    }

    /// <summary>
    /// The line with the fields' own names. A column that has a field's name, where the run file says that the field has another, is none
    /// of the format's and left out.
    /// </summary>
    private JsonDocument Rename(JsonElement line)
    {
        var text = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(text))
        {
            writer.WriteStartObject();
            foreach (var (field, column) in columns)
            {
                if (!line.TryGetProperty(column, out var value))
                    throw new FormatException(
                        $"there is no field \"{column}\", which data.columns names for \"{field}\"; the line has {Names(line)}"
                    );
                writer.WritePropertyName(field);
                value.WriteTo(writer);
            }

            foreach (var property in line.EnumerateObject())
            {
                if (columns.ContainsKey(property.Name) || columns.Values.Contains(property.Name)) continue;
                property.WriteTo(writer);
            }

            writer.WriteEndObject();
        }

        return JsonDocument.Parse(text.WrittenMemory);
    }

    private static string Names(JsonElement line)
    {
        var names = line.EnumerateObject().Select(static property => property.Name).ToArray();
        return names.Length == 0 ? "none" : string.Join(", ", names.Take(20)) + (names.Length > 20 ? ", …" : "");
    }
}
