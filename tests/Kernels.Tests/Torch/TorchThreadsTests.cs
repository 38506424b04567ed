using Peft.Orleans.Kernels.Torch;

namespace Peft.Orleans.Kernels.Tests.Torch;

public sealed class TorchThreadsTests
{
    [Fact]
    public unsafe void Every_row_is_taken_once_whoever_takes_it()
    {
        var counts = new int[100_000];
        fixed (int* first = counts)
        {
            for (var round = 0; round < 20; round++) TorchThreads.Run(counts.Length, 64, &Count, first, threads: 3);
        }

        Assert.All(counts, static count => Assert.Equal(20, count));

        static void Count(void* counts, int from, int to)
        {
            for (var i = from; i < to; i++) Interlocked.Increment(ref ((int*)counts)[i]);
        }
    }
}
