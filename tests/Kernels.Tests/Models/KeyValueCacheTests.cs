using Peft.Orleans.Core.Batches;
using Peft.Orleans.Kernels.Models;
using Peft.Orleans.Kernels.Models.Attention;
using Peft.Orleans.Kernels.Tests.Goldens;
using Peft.Orleans.Kernels.Tests.Models;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Models;

public class KeyValueCacheTests
{
    /// <summary>
    /// Token by token, far beyond the window and beside a shorter prompt: what a whole pass gives, from a cache that stops growing.
    /// </summary>
    [Theory]
    [InlineData(7, 30)]
    [InlineData(7, 300)]
    [InlineData(70, 100)]
    public void With_a_window_what_no_query_sees_is_dropped(int window, int prompt)
    {
        const int Length = 500;
        using var scope = NewDisposeScope();
        using var model = new RandomModel($$"""
            {"architectures": ["MistralForCausalLM"], "model_type": "mistral", "vocab_size": 53, "hidden_size": 32, "intermediate_size": 48,
             "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "sliding_window": {{window}}}
            """);
        using var pipeline = new LocalPipeline(Specs.Lora(model.Folder, [], 2, 2));
        pipeline.Initialize();
        var random = new Random(3);
        int[][] rows = [TinyModel.Ids(random, Length), TinyModel.Ids(random, Length)];
        // The second row begins with padding.
        const int Padding = 5;
        Tensor[] whole =
        [
            pipeline.Hidden(Batches.Of([rows[0]])).alias(),
            pipeline.Hidden(Batches.Of([rows[1][Padding..]])).alias(),
        ];
        var caches = Enumerable.Range(0, 2).Select(static _ => new KeyValueCache()).ToArray();
        foreach (var cache in caches) cache.Pad([0, Padding]);
        Check(0, prompt);
        for (var position = prompt; position < Length; position++) Check(position, 1);
        foreach (var cache in caches)
        {
            Assert.Equal(Length, cache.Length);
            Assert.InRange(Length - cache.First, window, 4 * Math.Max(window, 32));
            Assert.True(cache.Bytes <= 2 * 2 * 2 * 8 * sizeof(float) * 4L * Math.Max(window, 32), $"{cache.Bytes} bytes");
            cache.Dispose();
        }

        void Check(int start, int count)
        {
            using var inner = NewDisposeScope();
            var x = ((IEmbedding)pipeline.Shards[0]).Embed(
                pipeline.Versions[0], Batches.Of([.. rows.Select(row => row[start..(start + count)])]));
            for (var layer = 1; layer <= 2; layer++)
                x = ((IBlock)pipeline.Shards[layer]).ForwardCached(pipeline.Versions[layer], x, caches[layer - 1]);
            x = x.view(2, count, -1);
            Compare.Within(x[0], whole[0].view(Length, -1).narrow(0, start, count), 1e-4);
            var first = Math.Max(start, Padding);
            Compare.Within(
                x[1].narrow(0, first - start, start + count - first),
                whole[1].view(Length - Padding, -1).narrow(0, first - Padding, start + count - first),
                1e-4);
        }
    }

    [Fact]
    public void Cached_passes_in_pieces_equal_one_whole_pass_and_rows_may_leave()
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel();
        using var pipeline = new LocalPipeline(Specs.Lora(model.Folder, [], 2, 2));
        pipeline.Initialize();
        var random = new Random(3);
        int[][] rows = [TinyModel.Ids(random, 200), TinyModel.Ids(random, 200)];
        var whole = pipeline.Hidden(Batches.Of(rows)).alias();
        var caches = Enumerable.Range(0, TinyModel.Layers).Select(static _ => new KeyValueCache()).ToArray();
        Cached(rows, 0, 150);
        Cached(rows, 150, 1);
        foreach (var cache in caches) cache.KeepRows([1]);
        var last = Cached([rows[1]], 151, 49);
        Compare.Within(last, whole.narrow(0, 1, 1).narrow(1, 151, 49), 1e-4);
        Assert.All(caches, static cache => Assert.Equal((200, 1), (cache.Length, cache.Rows)));
        foreach (var cache in caches) cache.Dispose();

        Tensor Cached(int[][] of, int start, int count)
        {
            var x = ((IEmbedding)pipeline.Shards[0]).Embed(
                pipeline.Versions[0],
                Batches.Of([.. of.Select(row => row[start..(start + count)])])
            );
            for (var layer = 1; layer <= TinyModel.Layers; layer++)
                x = ((IBlock)pipeline.Shards[layer]).ForwardCached(pipeline.Versions[layer], x, caches[layer - 1]);
            return x;
        }
    }
}
