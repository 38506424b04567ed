using System.Text.Encodings.Web;
using System.Text.Json;
using Apache.Arrow;
using Apache.Arrow.Types;

namespace Peft.Orleans.Data.Datasets.Files;

/// <summary>Arrow values as JSON.</summary>
internal static class ArrowJson
{
    // Rows are read again by this program alone: no character needs an escape for a browser's sake.
    internal static readonly JsonWriterOptions Options = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        SkipValidation = true,
    };

    /// <summary>A row as an object with the columns' names.</summary>
    /// <exception cref="FormatException">A value has a type that has no JSON.</exception>
    public static void WriteRow(Utf8JsonWriter writer, RecordBatch batch, int row)
    {
        writer.WriteStartObject();
        for (var column = 0; column < batch.ColumnCount; column++)
        {
            writer.WritePropertyName(batch.Schema.GetFieldByIndex(column).Name);
            Write(writer, batch.Column(column), row);
        }

        writer.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter writer, IArrowArray values, int at)
    {
        if (values.IsNull(at))
        {
            writer.WriteNullValue();
            return;
        }

        switch (values)
        {
            case StringArray texts:
                writer.WriteStringValue(texts.GetBytes(at));
                break;
            case LargeStringArray texts:
                writer.WriteStringValue(texts.GetBytes(at));
                break;
            case StringViewArray texts:
                writer.WriteStringValue(texts.GetBytes(at));
                break;
            case BooleanArray flags:
                writer.WriteBooleanValue(flags.GetValue(at)!.Value);
                break;
            case Int8Array or Int16Array or Int32Array or Int64Array or UInt8Array or UInt16Array or UInt32Array:
                writer.WriteNumberValue(Whole(values, at));
                break;
            case UInt64Array numbers:
                writer.WriteNumberValue(numbers.GetValue(at)!.Value);
                break;
            case FloatArray numbers:
                Number(writer, numbers.GetValue(at)!.Value);
                break;
            case DoubleArray numbers:
                Number(writer, numbers.GetValue(at)!.Value);
                break;
            case ListArray list:
                Items(writer, list.Values, list.ValueOffsets[at], list.ValueOffsets[at + 1]);
                break;
            case LargeListArray list:
                Items(writer, list.Values, checked((int)list.ValueOffsets[at]), checked((int)list.ValueOffsets[at + 1]));
                break;
            case FixedSizeListArray list:
                var size = ((FixedSizeListType)list.Data.DataType).ListSize;
                Items(writer, list.Values, (list.Offset + at) * size, (list.Offset + at + 1) * size);
                break;
            case StructArray fields:
                Fields(writer, fields, at);
                break;
            case DictionaryArray words:
                Write(writer, words.Dictionary, checked((int)Whole(words.Indices, at)));
                break;
            default:
                // Pictures, times and the like: no format reads them, and what they are called is what counts for a refusal.
                writer.WriteStringValue($"({values.Data.DataType.Name})");
                break;
        }
    }

    private static void Items(Utf8JsonWriter writer, IArrowArray values, int first, int end)
    {
        writer.WriteStartArray();
        for (var i = first; i < end; i++) Write(writer, values, i);
        writer.WriteEndArray();
    }

    private static void Fields(Utf8JsonWriter writer, StructArray fields, int at)
    {
        writer.WriteStartObject();
        foreach (var (i, field) in ((StructType)fields.Data.DataType).Fields.Index())
        {
            writer.WritePropertyName(field.Name);
            Write(writer, fields.Fields[i], at);
        }

        writer.WriteEndObject();
    }

    private static long Whole(IArrowArray values, int at) => values switch
    {
        Int8Array numbers => numbers.GetValue(at)!.Value,
        Int16Array numbers => numbers.GetValue(at)!.Value,
        Int32Array numbers => numbers.GetValue(at)!.Value,
        Int64Array numbers => numbers.GetValue(at)!.Value,
        UInt8Array numbers => numbers.GetValue(at)!.Value,
        UInt16Array numbers => numbers.GetValue(at)!.Value,
        UInt32Array numbers => numbers.GetValue(at)!.Value,
        _ => throw new FormatException($"an index of type {values.Data.DataType.Name}"),
    };

    private static void Number(Utf8JsonWriter writer, double value)
    {
        // JSON has no other numbers; a format that needs one refuses the text.
        if (double.IsFinite(value)) writer.WriteNumberValue(value);
        else writer.WriteStringValue(value.ToString(System.Globalization.CultureInfo.InvariantCulture));
    }
}
