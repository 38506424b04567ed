using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Data.Files;

namespace Peft.Orleans.Data.SafeTensors;

/// <summary>A tensor in a safetensors file.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Element type.</param>
/// <param name="Shape">Shape; empty: a scalar.</param>
/// <param name="Offset">Absolute offset of its first byte in the file.</param>
/// <param name="Bytes">Number of bytes.</param>
public sealed record SafeTensorsEntry(string Name, SafeTensorsType Type, long[] Shape, long Offset, long Bytes);

/// <summary>
/// The header of a safetensors file, checked as the reference library does: bounded before it is parsed, and every byte of the file
/// belongs to exactly one tensor.
/// </summary>
public sealed class SafeTensorsHeader
{
    /// <summary>Largest accepted header, as in the reference library.</summary>
    public const long LargestHeader = 100_000_000;

    private const int LengthBytes = 8;

    private SafeTensorsHeader(
        string path,
        long fileBytes,
        long headerBytes,
        IReadOnlyDictionary<string, SafeTensorsEntry> entries,
        IReadOnlyDictionary<string, string> metadata
    )
    {
        Path = path;
        FileBytes = fileBytes;
        HeaderBytes = headerBytes;
        Entries = entries;
        Metadata = metadata;
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>Length of the file.</summary>
    public long FileBytes { get; }

    /// <summary>Bytes read for the header, its length field included.</summary>
    public long HeaderBytes { get; }

    /// <summary>Tensors by name.</summary>
    public IReadOnlyDictionary<string, SafeTensorsEntry> Entries { get; }

    /// <summary>The entries of <c>__metadata__</c>.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Reads and checks a header; no tensor is read.</summary>
    /// <exception cref="PeftException">The file is absent, unreadable, or no valid safetensors file; names file and reason.</exception>
    public static SafeTensorsHeader Read(string path)
    {
        if (Directory.Exists(path)) throw new PeftException($"{path}: a folder is there, where a file is needed");
        if (!File.Exists(path)) throw new PeftException($"{path}: file not found");
        RegularFile.Require(path);
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1);
            return Read(path, file);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new PeftException($"{path}: cannot be read: {error.Message}", error);
        }
    }

    /// <summary>A tensor's bytes.</summary>
    public byte[] ReadBytes(string tensor)
    {
        var entry = Entries.GetValueOrDefault(tensor) ?? throw new PeftException($"{Path}: there is no tensor '{tensor}'");
        var bytes = new byte[entry.Bytes];
        using var handle = File.OpenHandle(Path);
        var read = 0;
        while (read < bytes.Length)
        {
            var n = RandomAccess.Read(handle, bytes.AsSpan(read), entry.Offset + read);
            if (n == 0) throw Refuse(Path, $"the file ends inside tensor '{tensor}'");
            read += n;
        }

        return bytes;
    }

    /// <summary>Copies a tensor's bytes without holding them all.</summary>
    public void CopyTo(SafeTensorsEntry entry, Stream target)
    {
        using var file = new FileStream(Path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1);
        file.Position = entry.Offset;
        var buffer = new byte[(int)Math.Min(entry.Bytes, 1 << 20)];
        for (var left = entry.Bytes; left > 0;)
        {
            var n = file.Read(buffer, 0, (int)Math.Min(left, buffer.Length));
            if (n == 0) throw Refuse(Path, $"the file ends inside tensor '{entry.Name}'");
            target.Write(buffer, 0, n);
            left -= n;
        }
    }

    private static SafeTensorsHeader Read(string path, FileStream file)
    {
        var fileBytes = file.Length;
        if (fileBytes < LengthBytes) throw Refuse(path, $"the file has {fileBytes} bytes, too few for a header");
        Span<byte> prefix = stackalloc byte[LengthBytes];
        file.ReadExactly(prefix);
        if (prefix.SequenceEqual("version "u8))
            throw Refuse(path, "it is a Git LFS pointer, not the file it stands for; fetch the file: git lfs pull");
        var declared = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (declared > LargestHeader) throw Refuse(path, $"its header claims {declared:N0} bytes; at most {LargestHeader:N0} are accepted");
        var length = (long)declared;
        if (length + LengthBytes > fileBytes)
            throw Refuse(path, $"its header claims {length:N0} bytes, but the file has {fileBytes:N0}: truncated");
        var json = new byte[length];
        file.ReadExactly(json);
        if (!System.Text.Unicode.Utf8.IsValid(json)) throw Refuse(path, "the header is not UTF-8");

        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        var entries = Parse(path, json, LengthBytes + length, metadata);
        var end = CheckCoverage(path, entries, LengthBytes + length);
        if (end < fileBytes) throw Refuse(path, $"{fileBytes - end:N0} bytes at the end belong to no tensor");
        if (end > fileBytes) throw Refuse(path, $"the tensors end at byte {end:N0}, but the file has {fileBytes:N0}: truncated");
        return new SafeTensorsHeader(path, fileBytes, LengthBytes + length, entries, metadata);
    }

    private static Dictionary<string, SafeTensorsEntry> Parse(string path, byte[] json, long dataStart, Dictionary<string, string> metadata)
    {
        var entries = new Dictionary<string, SafeTensorsEntry>(StringComparer.Ordinal);
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 128 });
            if (document.RootElement.ValueKind != JsonValueKind.Object) throw Refuse(path, "the header is not a JSON object");
            foreach (var property in document.RootElement.EnumerateObject())
            {
                if (property.NameEquals("__metadata__")) ReadMetadata(path, property.Value, metadata);
                else entries[property.Name] = ReadEntry(path, property.Name, property.Value, dataStart);
            }
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw new PeftException($"{path}: not a valid safetensors file: invalid JSON in the header: {error.Message}", error);
        }

        return entries;
    }

    private static void ReadMetadata(string path, JsonElement value, Dictionary<string, string> metadata)
    {
        if (value.ValueKind == JsonValueKind.Null) return;
        if (value.ValueKind != JsonValueKind.Object) throw Refuse(path, "__metadata__ is not an object");
        foreach (var item in value.EnumerateObject())
        {
            if (item.Value.ValueKind != JsonValueKind.String) throw Refuse(path, $"__metadata__.{item.Name} is not a string");
            metadata[item.Name] = item.Value.GetString()!;
        }
    }

    private static SafeTensorsEntry ReadEntry(string path, string name, JsonElement value, long dataStart)
    {
        if (value.ValueKind != JsonValueKind.Object) throw Refuse(path, $"the entry of tensor '{name}' is not an object");
        if (!value.TryGetProperty("dtype", out var dtype)) throw Refuse(path, $"tensor '{name}' has no dtype");
        if (!value.TryGetProperty("shape", out var shape)) throw Refuse(path, $"tensor '{name}' has no shape");
        if (!value.TryGetProperty("data_offsets", out var offsets)) throw Refuse(path, $"tensor '{name}' has no data_offsets");
        if (dtype.ValueKind != JsonValueKind.String || !SafeTensorsTypes.TryParse(dtype.GetString()!, out var type))
            throw Refuse(path, $"tensor '{name}' has the unknown dtype {dtype.GetRawText()}");

        var sizes = ReadSizes(path, name, "shape", shape);
        var ends = ReadSizes(path, name, "data_offsets", offsets);
        if (ends.Length != 2) throw Refuse(path, $"tensor '{name}' has {ends.Length} data_offsets, not 2");
        if (ends[1] < ends[0]) throw Refuse(path, $"tensor '{name}' ends at {ends[1]}, before its start {ends[0]}");

        ulong bits;
        try
        {
            bits = checked(sizes.Aggregate(1UL, static (product, size) => checked(product * size)) * (ulong)type.Bits());
        }
        catch (OverflowException error)
        {
            throw new PeftException(
                $"{path}: not a valid safetensors file: the size of tensor '{name}' [{string.Join(", ", sizes)}] overflows",
                error
            );
        }

        if (bits % 8 != 0) throw Refuse(path, $"tensor '{name}' does not fill whole bytes");
        if (bits / 8 != ends[1] - ends[0])
            throw Refuse(
                path,
                $"tensor '{name}' [{string.Join(", ", sizes)}] of {type.HeaderName()} needs {bits / 8} bytes, but its data_offsets span "
                    + $"{ends[1] - ends[0]}"
            );
        if (ends[1] > long.MaxValue / 2 || sizes.Any(static size => size > long.MaxValue))
            throw Refuse(path, $"tensor '{name}' is too large");
        return new SafeTensorsEntry(
            name,
            type,
            Array.ConvertAll(sizes, static size => (long)size),
            dataStart + (long)ends[0],
            (long)(bits / 8)
        );
    }

    private static ulong[] ReadSizes(string path, string name, string key, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Array) throw Refuse(path, $"{key} of tensor '{name}' is not an array");
        var sizes = new ulong[value.GetArrayLength()];
        var i = 0;
        foreach (var item in value.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.Number || !item.TryGetUInt64(out sizes[i++]))
                throw Refuse(path, $"{key} of tensor '{name}' contains {item.GetRawText()}, which is no size");
        }

        return sizes;
    }

    private static long CheckCoverage(string path, Dictionary<string, SafeTensorsEntry> entries, long start)
    {
        foreach (var entry in entries.Values.OrderBy(static entry => entry.Offset).ThenBy(static entry => entry.Bytes))
        {
            if (entry.Offset > start) throw Refuse(path, $"there is a hole of {entry.Offset - start} bytes before tensor '{entry.Name}'");
            if (entry.Offset < start) throw Refuse(path, $"tensor '{entry.Name}' overlaps the one before it");
            start += entry.Bytes;
        }

        return start;
    }

    private static PeftException Refuse(string path, string reason) => new($"{path}: not a valid safetensors file: {reason}");
}
