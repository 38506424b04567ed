using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Torch;

public unsafe class TensorAllocatorTests
{
    [Fact]
    public void Libtorch_of_this_version_takes_it() =>
        Assert.True(TensorAllocator.Installed, "the layout of libtorch's allocator is no longer the one that is known");

    [Theory]
    [InlineData(1)]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(1_000_003)]
    public void Every_tensor_begins_at_a_cache_line_and_no_two_overlap(int elements)
    {
        using var scope = NewDisposeScope();
        var tensors = Enumerable.Range(0, 20).Select(value => full(elements, value, ScalarType.Float32)).ToArray();
        for (var i = 0; i < tensors.Length; i++)
        {
            Assert.Equal(0, (long)TensorMemory.Of(tensors[i]) % 64);
            Assert.True(tensors[i].eq(i).all().item<bool>());
        }
    }

    [Fact]
    public void A_tensor_without_elements_is_one_too()
    {
        using var scope = NewDisposeScope();
        var none = zeros(0, 3);
        Assert.Equal(0, none.numel());
        Assert.True(cat([none, ones(2, 3)], 0).eq(1).all().item<bool>());
    }

    [Fact]
    public void What_one_tensor_leaves_the_next_of_its_size_takes()
    {
        // Every second of 256 is freed, so that no two holes lie side by side; other tests may take some of them meanwhile.
        const int Count = 256;
        long[] shape = [512, 577];
        var living = Enumerable.Range(0, Count).Select(_ => ones(shape)).ToArray();
        try
        {
            var left = new HashSet<nint>();
            for (var i = 0; i < Count; i += 2)
            {
                left.Add((nint)TensorMemory.Of(living[i]));
                living[i].Dispose();
            }

            var reused = 0;
            for (var i = 0; i < Count; i += 2)
            {
                living[i] = ones(shape);
                if (left.Contains((nint)TensorMemory.Of(living[i]))) reused++;
            }

            Assert.True(reused > Count / 4, $"{reused} of {Count / 2} new tensors lie where one of their size was freed");
        }
        finally
        {
            foreach (var tensor in living) tensor.Dispose();
        }
    }

    [Fact]
    public void Threads_may_free_what_others_made()
    {
        const int Threads = 4, Each = 300;
        var made = new System.Collections.Concurrent.BlockingCollection<(Tensor Tensor, int Value)>(32);
        var wrong = 0;
        var makers = Enumerable.Range(0, Threads).Select(thread => new Thread(() =>
        {
            for (var i = 0; i < Each; i++) made.Add((full((i * 37) + 1, (thread * Each) + i, ScalarType.Float32), (thread * Each) + i));
        })).ToArray();
        var takers = Enumerable.Range(0, Threads).Select(_ => new Thread(() =>
        {
            foreach (var (tensor, value) in made.GetConsumingEnumerable())
            {
                using (tensor)
                {
                    if (!tensor.eq(value).all().item<bool>()) Interlocked.Increment(ref wrong);
                }
            }
        })).ToArray();
        foreach (var thread in makers.Concat(takers)) thread.Start();
        foreach (var thread in makers) thread.Join();
        made.CompleteAdding();
        foreach (var thread in takers) thread.Join();
        Assert.Equal(0, wrong);
    }
}
