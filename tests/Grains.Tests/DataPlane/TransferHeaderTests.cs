using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Grains.DataPlane;
using TorchSharp;
using Xunit;

namespace Peft.Orleans.Grains.Tests.DataPlane;

public class TransferHeaderTests
{
    private static readonly TransferHeader Header = new()
    {
        Run = TransferHeader.RunKey("run"),
        Term = new Term(7, Guid.NewGuid()),
        Sender = Guid.NewGuid(),
        Transfer = 42,
        Type = torch.ScalarType.BFloat16,
        Shape = [2, 3, 4],
        TotalBytes = 48,
        Offset = 16,
        Length = 32,
        Checksum = 0xDEADBEEFCAFE,
    };

    [Fact]
    public void What_is_written_is_read_back()
    {
        var bytes = new byte[TransferHeader.Size];
        Header.Write(bytes);
        var read = TransferHeader.Read(bytes);
        Assert.Equal(Header.Shape, read.Shape);
        Assert.Equal(Header, read, new WithoutShape());
    }

    [Fact]
    public void Every_flipped_bit_is_noticed()
    {
        var bytes = new byte[TransferHeader.Size];
        Header.Write(bytes);
        for (var bit = 0; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Throws<InvalidDataException>(() => TransferHeader.Read(bytes));
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    private sealed class WithoutShape : IEqualityComparer<TransferHeader>
    {
        public bool Equals(TransferHeader x, TransferHeader y) =>
            x.Run == y.Run && x.Term == y.Term && x.Sender == y.Sender && x.Transfer == y.Transfer && x.Type == y.Type
            && x.TotalBytes == y.TotalBytes && x.Offset == y.Offset && x.Length == y.Length && x.Checksum == y.Checksum;

        public int GetHashCode(TransferHeader header) => header.Transfer.GetHashCode();
    }
}
