using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Torch;

public class ScalarsTests
{
    [Fact]
    public async Task Collections_beside_an_operation_free_no_number_that_it_reads()
    {
        using var scope = NewDisposeScope();
        using var stop = new CancellationTokenSource();
        var collector = Task.Run(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                GC.Collect(0, GCCollectionMode.Forced, blocking: true);
                GC.WaitForPendingFinalizers();
            }
        });
        try
        {
            var (x, one) = (zeros(4096), ones(4096));
            for (var i = 0; i < 20_000; i++)
            {
                // Other numbers each time, so that those of long ago are freed, and one that always stays.
                x.add_(one, Scalars.Held(i + 0.5)).mul_(Scalars.Held(2.0));
                x.mul_(Scalars.Held(0.5)).add_(one, Scalars.Held(-i - 0.5));
                x.add_(one, Scalars.One).sub_(one);
            }

            Assert.Equal(0f, x.abs().max().item<float>());
        }
        finally
        {
            await stop.CancelAsync();
            await collector;
        }
    }

    [Fact]
    public void A_number_is_of_its_kind()
    {
        using var scope = NewDisposeScope();
        Assert.Equal(ScalarType.Int64, full([1], Scalars.Held(3)).dtype);
        Assert.Equal(0.1, zeros(1, ScalarType.Float64).fill_(Scalars.Held(0.1)).item<double>());
        Assert.Equal(ScalarType.Float32, ones(1).Squared().dtype);
    }
}
