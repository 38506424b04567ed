using System.Buffers.Binary;
using System.IO.Hashing;
using CsCheck;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Grains.DataPlane;
using Peft.Orleans.Grains.Figures;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;

namespace Peft.Orleans.Fuzz;

/// <summary>
/// The data plane's chunks, several to a connection: damaged, and such whose checksums are right and whose content is not.
/// </summary>
internal sealed class FramesTarget : FuzzTarget
{
    private const string Run = "run";
    private const long Most = 1 << 20;

    private static readonly Term Now = new(1, new Guid(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
    private static readonly long[] Extremes =
        [0, 1, -1, 2, 6, 24, 32, 63, 64, 255, 4096, int.MaxValue, int.MinValue, long.MaxValue, long.MinValue, 1L << 32, long.MaxValue - 7];

    private readonly ReceiveTable table = new(Most);
    private readonly DataPlaneInstruments figures = new(new FigureBoard("receiver", TimeProvider.System).Silo);

    internal FramesTarget() => TorchRuntime.Initialize(1);

    internal override Gen<byte[]> Inputs
    {
        get
        {
            // Fields of the header, by offset and width, that are changed; the header's checksum is made right again.
            (int At, int Bytes)[] fields =
                [(4, 1), (5, 1), (8, 4), (12, 4), (16, 8), (56, 8), (64, 8), (72, 8), (80, 8), (88, 8), (96, 8), (104, 8)];
            var changed = Gen.Select(Gen.Int[0, fields.Length - 1], Gen.Int[0, Extremes.Length - 1], Gen.Int[1, 3], Gen.Int[0, 3])
                .Select((place, value, transfer, offset) =>
                {
                    var frame = Frame(transfer, offset);
                    var bytes = BitConverter.GetBytes(Extremes[value]);
                    bytes.AsSpan(0, fields[place].Bytes).CopyTo(frame.AsSpan(fields[place].At));
                    return Sealed(frame);
                });
            var valid = Gen.Select(Gen.Int[1, 3], Gen.Int[0, 3]).Select(Frame);
            var frames = Gen.Frequency((2, changed), (2, valid));
            var several = frames.List[1, 6].Select(static list => list.SelectMany(static frame => frame).ToArray());
            return Gen.Frequency((3, several), (1, valid.SelectMany(frame => Damage(frame))));
        }
    }

    internal override bool Read(byte[] input)
    {
        table.Fence(TransferHeader.RunKey(Run), Now);
        try
        {
            ChunkReader.Read(new MemoryStream(input), table, figures, CancellationToken.None).GetAwaiter().GetResult();
            return true;
        }
        catch (Exception error) when (error is InvalidDataException or IOException)
        {
            return false;
        }
        finally
        {
            table.Forget(TransferHeader.RunKey(Run));
        }
    }

    private static Gen<byte[]> Damage(byte[] frame) => Tests.Damage.OfBytes(frame);

    /// <summary>A quarter of a tensor of 32 bytes.</summary>
    private static byte[] Frame(int transfer, int quarter)
    {
        var payload = new byte[8];
        Array.Fill(payload, (byte)quarter);
        var frame = new byte[TransferHeader.Size + payload.Length];
        new TransferHeader
        {
            Run = TransferHeader.RunKey(Run),
            Term = Now,
            Sender = Now.Nonce,
            Transfer = transfer,
            Type = torch.ScalarType.Float32,
            Shape = [2, 4],
            TotalBytes = 32,
            Offset = quarter * 8,
            Length = 8,
            Checksum = XxHash3.HashToUInt64(payload),
        }.Write(frame);
        payload.CopyTo(frame.AsSpan(TransferHeader.Size));
        return frame;
    }

    private static byte[] Sealed(byte[] frame)
    {
        const int Checked = TransferHeader.Size - 8;
        BinaryPrimitives.WriteUInt64LittleEndian(frame.AsSpan(Checked), XxHash3.HashToUInt64(frame.AsSpan(0, Checked)));
        return frame;
    }
}
