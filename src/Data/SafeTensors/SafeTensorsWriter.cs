using System.Buffers;
using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;
using Peft.Orleans.Core;

namespace Peft.Orleans.Data.SafeTensors;

/// <summary>A tensor to be written.</summary>
/// <param name="Name">Name.</param>
/// <param name="Type">Element type.</param>
/// <param name="Shape">Shape; empty: a scalar.</param>
/// <param name="WriteBytes">Writes exactly the tensor's bytes, little-endian, row by row.</param>
public sealed record SafeTensorsTensor(string Name, SafeTensorsType Type, long[] Shape, Action<Stream> WriteBytes)
{
    /// <summary>Number of bytes that shape and type ask for.</summary>
    public long Bytes => Shape.Aggregate(1L, static (product, size) => checked(product * size)) * Type.Bits() / 8;
}

/// <summary>
/// Writes safetensors files: tensors in name order, header padded with spaces to 8 bytes as the reference library does, under a
/// temporary name that becomes the real one only when all bytes are on the disk. Equal tensors give equal bytes.
/// </summary>
public static class SafeTensorsWriter
{
    /// <summary>The metadata of every file we write.</summary>
    public static readonly IReadOnlyDictionary<string, string> DefaultMetadata = new Dictionary<string, string> { ["format"] = "pt" };

    /// <summary>Writes a file; metadata is <c>{"format": "pt"}</c> unless given.</summary>
    /// <exception cref="PeftException">Two tensors share a name, or the file cannot be written (names it and says why).</exception>
    public static void Write(string path, IReadOnlyList<SafeTensorsTensor> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        var ordered = tensors.OrderBy(static tensor => tensor.Name, StringComparer.Ordinal).ToArray();
        for (var i = 1; i < ordered.Length; i++)
        {
            if (ordered[i].Name == ordered[i - 1].Name) throw new PeftException($"{path}: two tensors are named '{ordered[i].Name}'");
        }

        var temporary = $"{path}.{Environment.ProcessId}.tmp";
        try
        {
            using (var file = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 1 << 20))
            {
                WriteHeader(file, ordered, metadata ?? DefaultMetadata);
                foreach (var tensor in ordered)
                {
                    var end = file.Position + tensor.Bytes;
                    tensor.WriteBytes(file);
                    if (file.Position != end)
                        throw new System.Diagnostics.UnreachableException(
                            $"tensor '{tensor.Name}' wrote {file.Position - end + tensor.Bytes} bytes instead of {tensor.Bytes}"
                        );
                }

                file.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception error)
        {
            TryDelete(temporary);
            if (error is IOException or UnauthorizedAccessException)
                throw new PeftException($"{path}: cannot be written: {error.Message}", error);
            throw;
        }
    }

    /// <summary>Combines safetensors files into one, in name order, by streaming.</summary>
    public static void Merge(string target, IEnumerable<string> parts)
    {
        var tensors = new List<SafeTensorsTensor>();
        foreach (var header in parts.Select(SafeTensorsHeader.Read))
        {
            tensors.AddRange(header.Entries.Values.Select(
                entry => new SafeTensorsTensor(entry.Name, entry.Type, entry.Shape, stream => header.CopyTo(entry, stream))));
        }

        Write(target, tensors);
    }

    private static void WriteHeader(FileStream file, SafeTensorsTensor[] tensors, IReadOnlyDictionary<string, string> metadata)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            if (metadata.Count > 0)
            {
                json.WriteStartObject("__metadata__");
                foreach (var (key, value) in metadata.OrderBy(static pair => pair.Key, StringComparer.Ordinal))
                    json.WriteString(key, value);
                json.WriteEndObject();
            }

            var offset = 0L;
            foreach (var tensor in tensors)
            {
                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype", tensor.Type.HeaderName());
                json.WriteStartArray("shape");
                foreach (var size in tensor.Shape) json.WriteNumberValue(size);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(offset);
                json.WriteNumberValue(offset += tensor.Bytes);
                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        var padding = (8 - buffer.WrittenCount % 8) % 8;
        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)(buffer.WrittenCount + padding));
        file.Write(length);
        file.Write(buffer.WrittenSpan);
        Span<byte> spaces = stackalloc byte[padding];
        spaces.Fill((byte)' ');
        file.Write(spaces);
    }

    private static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The write's own error is the one to report.
        }
    }
}
