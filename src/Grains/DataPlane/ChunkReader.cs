using System.IO.Hashing;
using Peft.Orleans.Grains.Figures;

namespace Peft.Orleans.Grains.DataPlane;

/// <summary>Reads chunks of tensors from a connection, straight into their memory.</summary>
internal static class ChunkReader
{
    private const int DiscardBytes = 1 << 16;

    /// <summary>Reads until the connection ends between two chunks.</summary>
    /// <exception cref="InvalidDataException">What comes is no chunk, a damaged one, or of a tensor that cannot be.</exception>
    /// <exception cref="IOException">The connection ends within a chunk.</exception>
    internal static async Task Read(Stream stream, ReceiveTable table, DataPlaneInstruments figures, CancellationToken cancellation)
    {
        var headerBytes = new byte[TransferHeader.Size];
        byte[]? discard = null;
        while (await ReadFully(stream, headerBytes, mayEnd: true, cancellation).ConfigureAwait(false))
        {
            var header = TransferHeader.Read(headerBytes);
            var entry = table.Accept(header);
            var tensor = entry?.BeginWrite();
            if (tensor is null)
            {
                figures.Refused();
                discard ??= new byte[DiscardBytes];
                for (var left = header.Length; left > 0; left -= Math.Min(left, discard.Length))
                {
                    var piece = discard.AsMemory(0, Math.Min(left, discard.Length));
                    await ReadFully(stream, piece, mayEnd: false, cancellation).ConfigureAwait(false);
                }

                continue;
            }

            var written = 0;
            try
            {
                using var memory = new TensorMemory(tensor, header.Offset, header.Length);
                await ReadFully(stream, memory.Memory, mayEnd: false, cancellation).ConfigureAwait(false);
                if (XxHash3.HashToUInt64(memory.GetSpan()) != header.Checksum) throw new InvalidDataException("a chunk arrived damaged");
                written = header.Length;
                figures.Received(written);
            }
            finally
            {
                entry!.EndWrite(written);
            }
        }
    }

    private static async Task<bool> ReadFully(Stream stream, Memory<byte> target, bool mayEnd, CancellationToken cancellation)
    {
        var read = 0;
        while (read < target.Length)
        {
            var n = await stream.ReadAsync(target[read..], cancellation).ConfigureAwait(false);
            if (n == 0) return mayEnd && read == 0 ? false : throw new IOException("the connection closed in the middle of a tensor");
            read += n;
        }

        return true;
    }
}
