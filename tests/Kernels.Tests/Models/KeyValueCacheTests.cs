using Peft.Orleans.Core.Batches;
using Peft.Orleans.Kernels.Models;
using Peft.Orleans.Kernels.Models.Attention;
using Peft.Orleans.Kernels.Tests.Goldens;
using Peft.Orleans.Kernels.Tests.Models;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Models;

public class KeyValueCacheTests
{
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
