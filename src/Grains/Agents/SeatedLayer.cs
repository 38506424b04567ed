using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Models;
using Peft.Orleans.Kernels.Models.Attention;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Grains.Agents;

/// <summary>
/// One layer that computes on this silo, or could: base weights, the gradient tree of the step under way. Device thread only.
/// </summary>
internal sealed class SeatedLayer : IDisposable
{
    private readonly Dictionary<int, Tensor> open = [];
    private readonly Dictionary<long, KeyValueCache> caches = [];
    private readonly Device device;
    private LayerVersion? baseOnly;

    internal SeatedLayer(LayerShard shard, Device device, KeptVersions kept)
    {
        Shard = shard;
        (Embedding, Block, Head) = (shard as IEmbedding, shard as IBlock, shard as IHead);
        Kept = kept;
        this.device = device;
    }

    internal LayerShard Shard { get; }

    /// <summary>
    /// The shard at the chain's first position, where it is one that begins a pass; trained tied embeddings are also its head.
    /// </summary>
    internal IEmbedding? Embedding { get; }

    /// <summary>The shard at a position between, where it is a block.</summary>
    internal IBlock? Block { get; }

    /// <summary>The shard at the last position, where it is one that ends a pass.</summary>
    internal IHead? Head { get; }

    /// <summary>The layer's versions; they outlive the seat.</summary>
    internal KeptVersions Kept { get; }

    /// <summary>Gradients of the step under way; null between steps.</summary>
    internal GradientTree? Tree { get; private set; }

    internal int TreeStep { get; private set; }

    internal LayerMeasure? Measure { get; set; }

    internal BaseGradientEstimate? Estimate { get; set; }

    internal LayerVersion Version(int step) =>
        Kept.Find(step) ?? throw new InvalidOperationException($"version {step} of layer {Shard.Layer} is not held here");

    /// <summary>
    /// A version of zeros, under which every adapter is the identity: what the base alone computes. Full fine-tuning estimates nothing and
    /// needs none.
    /// </summary>
    internal LayerVersion BaseOnly => baseOnly ??= new LayerVersion(Shard.Layout, device);

    /// <summary>The gradient buffer of a microbatch, opened by the first position that adds to it.</summary>
    internal Tensor Open(int index)
    {
        if (!open.TryGetValue(index, out var gradient))
            open[index] = gradient = zeros(Shard.Layout.Size, float32, device).DetachFromDisposeScope();
        return gradient;
    }

    /// <summary>Makes the microbatch's gradient its leaf of the tree.</summary>
    internal void Close(int step, int index, int microbatches)
    {
        if (open.Remove(index, out var gradient)) TreeOf(step, microbatches).Put(index, gradient);
    }

    /// <summary>The tree of a step; begun with its first leaf or node.</summary>
    internal GradientTree TreeOf(int step, int microbatches)
    {
        if (Tree is not null && TreeStep == step) return Tree;
        Tree?.Clear();
        TreeStep = step;
        return Tree = new GradientTree(microbatches);
    }

    internal void ClearGradients()
    {
        foreach (var gradient in open.Values) gradient.Dispose();
        open.Clear();
        Tree?.Clear();
        Tree = null;
        TreeStep = 0;
        Measure = null;
        EndEstimate();
    }

    /// <summary>The initialisation is done, or given up.</summary>
    internal void EndEstimate()
    {
        Estimate?.Dispose();
        Estimate = null;
        baseOnly?.Dispose();
        baseOnly = null;
    }

    internal KeyValueCache Cache(long id)
    {
        if (!caches.TryGetValue(id, out var cache)) caches[id] = cache = new KeyValueCache();
        return cache;
    }

    internal void DropCache(long id)
    {
        if (caches.Remove(id, out var cache)) cache.Dispose();
    }

    public void Dispose()
    {
        ClearGradients();
        foreach (var cache in caches.Values) cache.Dispose();
        Shard.Dispose();
    }
}
