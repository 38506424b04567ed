using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;
using Peft.Orleans.Core.Protocol;
using static TorchSharp.torch;

namespace Peft.Orleans.Grains.DataPlane;

/// <summary>
/// Header of one chunk of a tensor on the wire, 160 bytes little-endian. Each chunk names its whole transfer, so that chunks may come over
/// several sockets in any order.
/// </summary>
internal readonly record struct TransferHeader
{
    internal const int Size = 160;
    internal const int MaxDimensions = 6;

    /// <summary>Longest chunk.</summary>
    internal const int LongestChunk = 1 << 26;

    private const uint Magic = 0x54464550; // "PEFT"

    internal required ulong Run { get; init; }

    internal required Term Term { get; init; }

    internal required Guid Sender { get; init; }

    internal required long Transfer { get; init; }

    internal required ScalarType Type { get; init; }

    internal required long[] Shape { get; init; }

    internal required long TotalBytes { get; init; }

    internal required long Offset { get; init; }

    internal required int Length { get; init; }

    internal required ulong Checksum { get; init; }

    /// <summary>Key of a run on the wire.</summary>
    internal static ulong RunKey(string runId) => XxHash3.HashToUInt64(Encoding.UTF8.GetBytes(runId));

    internal void Write(Span<byte> target)
    {
        target.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(target, Magic);
        target[4] = (byte)Type;
        target[5] = (byte)Shape.Length;
        BinaryPrimitives.WriteInt32LittleEndian(target[8..], Term.Counter);
        BinaryPrimitives.WriteInt32LittleEndian(target[12..], Length);
        BinaryPrimitives.WriteUInt64LittleEndian(target[16..], Run);
        Term.Nonce.TryWriteBytes(target[24..]);
        Sender.TryWriteBytes(target[40..]);
        BinaryPrimitives.WriteInt64LittleEndian(target[56..], Transfer);
        BinaryPrimitives.WriteInt64LittleEndian(target[64..], TotalBytes);
        BinaryPrimitives.WriteInt64LittleEndian(target[72..], Offset);
        BinaryPrimitives.WriteUInt64LittleEndian(target[80..], Checksum);
        for (var i = 0; i < Shape.Length; i++) BinaryPrimitives.WriteInt64LittleEndian(target[(88 + (8 * i))..], Shape[i]);
        BinaryPrimitives.WriteUInt64LittleEndian(target[(Size - 8)..], XxHash3.HashToUInt64(target[..(Size - 8)]));
    }

    /// <summary>Reads a header.</summary>
    /// <exception cref="InvalidDataException">Not a header of this protocol, or damaged.</exception>
    internal static TransferHeader Read(ReadOnlySpan<byte> source)
    {
        if (BinaryPrimitives.ReadUInt32LittleEndian(source) != Magic)
            throw new InvalidDataException("the peer does not speak the tensor protocol");
        if (BinaryPrimitives.ReadUInt64LittleEndian(source[(Size - 8)..]) != XxHash3.HashToUInt64(source[..(Size - 8)]))
            throw new InvalidDataException("a chunk header is damaged");
        var dimensions = source[5];
        if (dimensions > MaxDimensions) throw new InvalidDataException($"a tensor of {dimensions} dimensions");
        var shape = new long[dimensions];
        for (var i = 0; i < dimensions; i++) shape[i] = BinaryPrimitives.ReadInt64LittleEndian(source[(88 + (8 * i))..]);
        var header = new TransferHeader
        {
            Type = (ScalarType)source[4],
            Shape = shape,
            Term = new Term(BinaryPrimitives.ReadInt32LittleEndian(source[8..]), new Guid(source.Slice(24, 16))),
            Length = BinaryPrimitives.ReadInt32LittleEndian(source[12..]),
            Run = BinaryPrimitives.ReadUInt64LittleEndian(source[16..]),
            Sender = new Guid(source.Slice(40, 16)),
            Transfer = BinaryPrimitives.ReadInt64LittleEndian(source[56..]),
            TotalBytes = BinaryPrimitives.ReadInt64LittleEndian(source[64..]),
            Offset = BinaryPrimitives.ReadInt64LittleEndian(source[72..]),
            Checksum = BinaryPrimitives.ReadUInt64LittleEndian(source[80..]),
        };
        if (header.Flaw() is { } flaw) throw new InvalidDataException(flaw);
        return header;
    }

    /// <summary>What makes no sense, whatever transfer it belongs to; null: nothing. Nothing here may wrap around.</summary>
    private string? Flaw()
    {
        if (ElementSize(Type) is not { } bytes) return $"a tensor of element type {(int)Type}, which is never sent";
        foreach (var dimension in Shape)
        {
            if (dimension < 0 || (dimension > 0 && bytes > long.MaxValue / dimension)) return "a tensor of impossible shape";
            bytes *= dimension;
        }

        if (bytes != TotalBytes) return $"a transfer of {TotalBytes} bytes for a tensor of {bytes}";
        return Length < 0 || Length > LongestChunk || Offset < 0 || Offset > TotalBytes - Length
            ? "a chunk that lies outside its tensor"
            : null;
    }

    private static long? ElementSize(ScalarType type) => type switch
    {
        ScalarType.Byte or ScalarType.Int8 or ScalarType.Bool => 1,
        ScalarType.Int16 or ScalarType.Float16 or ScalarType.BFloat16 => 2,
        ScalarType.Int32 or ScalarType.Float32 => 4,
        ScalarType.Int64 or ScalarType.Float64 => 8,
        _ => null,
    };
}
