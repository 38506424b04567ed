using System.Buffers.Binary;
using System.IO.Hashing;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Grains.DataPlane;
using Peft.Orleans.Grains.Figures;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using Xunit;

namespace Peft.Orleans.Grains.Tests.DataPlane;

/// <summary>Chunks whose checksums are right and whose content is not: nothing is allocated for them, nothing written.</summary>
public sealed class ChunkReaderTests : IDisposable
{
    private const string Run = "run";
    private static readonly Term Now = new(1, Guid.NewGuid());
    private readonly ReceiveTable table = new(mostBytes: 1 << 20);
    private readonly FigureBoard board = new("receiver", TimeProvider.System);

    public ChunkReaderTests()
    {
        TorchRuntime.Initialize(1);
        table.Fence(TransferHeader.RunKey(Run), Now);
    }

    public void Dispose() => board.Dispose();

    [Theory]
    [InlineData(88, -8L, "impossible shape")]
    [InlineData(88, long.MaxValue, "impossible shape")]
    [InlineData(88, 1L << 62, "impossible shape")]
    [InlineData(64, 48L, "for a tensor of 32")]
    [InlineData(72, 25L, "outside its tensor")]
    [InlineData(72, -1L, "outside its tensor")]
    [InlineData(72, long.MaxValue, "outside its tensor")]
    public async Task An_impossible_number_is_refused(int at, long value, string said)
    {
        var frame = Frame([8], 32, 0);
        BinaryPrimitives.WriteInt64LittleEndian(frame.AsSpan(at), value);
        await Refused(said, frame);
    }

    [Fact]
    public async Task An_element_type_that_is_never_sent_is_refused()
    {
        var frame = Frame([8], 32, 0);
        frame[4] = 100;
        await Refused("element type 100", frame);
    }

    [Fact]
    public async Task What_lies_inside_another_tensor_is_not_written_outside_this_one() =>
        await Refused("another tensor", Frame([8], 32, 0), Frame([1024], 4096, 4088));

    [Fact]
    public async Task More_than_the_machine_has_is_refused_and_what_is_given_up_counts_no_more()
    {
        const int Half = 1 << 19;
        await Refused("beyond the", Frame([Half / 4], Half, 0), Frame([Half / 2], 2 * Half, 0, transfer: 2));
        table.Fence(TransferHeader.RunKey(Run), new Term(2, Guid.NewGuid()));
        table.Forget(TransferHeader.RunKey(Run));
        table.Fence(TransferHeader.RunKey(Run), Now);
        await Read(Frame([Half / 2], 2 * Half, 0, transfer: 3));
    }

    private async Task Refused(string said, params byte[][] frames)
    {
        var error = await Assert.ThrowsAsync<InvalidDataException>(() => Read(frames));
        Assert.Contains(said, error.Message, StringComparison.Ordinal);
    }

    private Task Read(params byte[][] frames) => ChunkReader.Read(
        new MemoryStream([.. frames.SelectMany(Sealed)]),
        table,
        new DataPlaneInstruments(board.Silo),
        TestContext.Current.CancellationToken);

    private static byte[] Frame(long[] shape, long total, long offset, long transfer = 1)
    {
        var payload = new byte[8];
        var frame = new byte[TransferHeader.Size + payload.Length];
        new TransferHeader
        {
            Run = TransferHeader.RunKey(Run),
            Term = Now,
            Sender = Now.Nonce,
            Transfer = transfer,
            Type = torch.ScalarType.Float32,
            Shape = shape,
            TotalBytes = total,
            Offset = offset,
            Length = payload.Length,
            Checksum = XxHash3.HashToUInt64(payload),
        }.Write(frame);
        return frame;
    }

    private static byte[] Sealed(byte[] frame)
    {
        const int Checked = TransferHeader.Size - 8;
        BinaryPrimitives.WriteUInt64LittleEndian(frame.AsSpan(Checked), XxHash3.HashToUInt64(frame.AsSpan(0, Checked)));
        return frame;
    }
}
