using System.Buffers;
using System.Text.Json;
using System.Text.RegularExpressions;
using Apache.Arrow;
using ParquetSharp.Arrow;
using Peft.Orleans.Core;

namespace Peft.Orleans.Data.Datasets.Files;

/// <summary>A Parquet file: a record is a row, written as a JSON object with the columns' names.</summary>
internal static partial class ParquetRows
{
    // Rows of a batch are decoded at once; a row of a chat data set has some kilobytes.
    private const int BatchRows = 256;

    /// <summary>Calls back with every row.</summary>
    /// <exception cref="PeftException">It is damaged, or the library that reads it is missing.</exception>
    public static void Read(string path, TakeRecord take)
    {
        var row = 0;
        // Else whole column chunks of a row group lie in memory.
        using var properties = Try(() =>
        {
            var made = ArrowReaderProperties.GetDefault();
            (made.BatchSize, made.PreBuffer, made.UseThreads) = (BatchRows, false, false);
            return made;
        });
        using var file = Try(() => new FileReader(path, null, properties));
        using var batches = Try(() => file.GetRecordBatchReader());
        var text = new ArrayBufferWriter<byte>();
        while (Try(() => Next(batches)) is { } batch)
        {
            using (batch)
            {
                for (var i = 0; i < batch.Length; i++)
                {
                    Try(() => Write(text, batch, i));
                    take(++row, -1, text.WrittenSpan);
                }
            }
        }

        T Try<T>(Func<T> read)
        {
            try
            {
                return read();
            }
            catch (Exception error) when (error is DllNotFoundException or TypeInitializationException or BadImageFormatException)
            {
                throw new PeftException(
                    $"{path}: the library that reads Parquet cannot be loaded here: {Reason(error.InnerException ?? error)}; write the "
                        + "file as JSON lines",
                    error
                );
            }
            catch (Exception error) when (error is not OutOfMemoryException)
            {
                // The library throws what it likes, Exception itself too.
                throw new PeftException(
                    $"{path}: {(row == 0 ? "no Parquet file that can be read" : $"damaged after row {row}")}: {Reason(error)}; fetch it "
                        + $"again, or write it as JSON lines: pandas.read_parquet('{Path.GetFileName(path)}').to_json('data.jsonl', "
                        + "orient='records', lines=True, force_ascii=False)",
                    error
                );
            }
        }
    }

    private static bool Write(ArrayBufferWriter<byte> text, RecordBatch batch, int row)
    {
        text.ResetWrittenCount();
        using var writer = new Utf8JsonWriter(text, ArrowJson.Options);
        ArrowJson.WriteRow(writer, batch, row);
        return true;
    }

    private static RecordBatch? Next(Apache.Arrow.Ipc.IArrowArrayStream batches)
    {
        var next = batches.ReadNextRecordBatchAsync(CancellationToken.None);
        // Native code answers at once; the signature is Arrow's.
        return next.IsCompleted ? next.Result : next.AsTask().GetAwaiter().GetResult();
    }

    private static string Reason(Exception error)
    {
        // The library's own text stands within the name of a C++ class.
        var text = error.Message.ReplaceLineEndings(" ").Trim();
        const string Opening = "(message: '";
        if (text.IndexOf(Opening, StringComparison.Ordinal) is var at and >= 0)
            text = text[(at + Opening.Length)..].TrimEnd(')', '\'', ' ', '.');
        text = ExceptionName().Replace(text, "");
        return text.Length > 200 ? text[..200] + "…" : text;
    }

    [GeneratedRegex(@"\w*Exception\w*:?\s*")]
    private static partial Regex ExceptionName();
}
