using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Torch;

public unsafe class NativeBuffersTests
{
    [Fact]
    public void A_tensor_behaves_as_any_other_and_is_aligned()
    {
        using var rented = NativeBuffers.Rent([3, 1001], ScalarType.Float32);
        rented.copy_(arange(3003, dtype: ScalarType.Float32).view(3, 1001));
        using var twice = rented.add(rented);
        Assert.Equal(3002f * 3003f, twice.sum().item<float>(), 16f);
        fixed (byte* first = rented.bytes) Assert.Equal(0, (nint)first % 64);
    }

    [Fact]
    public void A_buffer_is_used_again_after_its_last_tensor_is_gone()
    {
        // A size of its own, so that tests beside this one do not take the buffer.
        var first = NativeBuffers.Rent([3_333_333], ScalarType.Float32);
        nint address;
        fixed (byte* start = first.bytes) address = (nint)start;
        var view = first.narrow(0, 5, 7);
        first.Dispose();
        using (var other = NativeBuffers.Rent([3_333_333], ScalarType.Float32))
        {
            fixed (byte* start = other.bytes) Assert.NotEqual(address, (nint)start);
        }

        view.Dispose();
        using var one = NativeBuffers.Rent([3_333_333], ScalarType.Float32);
        using var two = NativeBuffers.Rent([3_333_333], ScalarType.Float32);
        nint[] addresses = new nint[2];
        fixed (byte* start = one.bytes) addresses[0] = (nint)start;
        fixed (byte* start = two.bytes) addresses[1] = (nint)start;
        Assert.Contains(address, addresses);
    }
}
