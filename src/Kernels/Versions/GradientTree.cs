using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Versions;

/// <summary>
/// The fixed binary tree over a step's microbatches: node (level, i) is the fp32 sum of its two children, so the sum has the same bits in
/// whatever order and on whatever silo the leaves arise. A left child without a right sibling moves up unchanged. What waits here is
/// sealed: a bit that changes meanwhile is found when it is added or read.
/// </summary>
public sealed class GradientTree(int leaves)
{
    private readonly Dictionary<(int Level, int Index), (Tensor Sum, Seal Seal)> nodes = [];
    private readonly int height = leaves <= 1 ? 0 : 32 - int.LeadingZeroCount(leaves - 1);

    /// <summary>Number of microbatches.</summary>
    public int Leaves { get; } = leaves > 0 ? leaves : throw new ArgumentOutOfRangeException(nameof(leaves));

    /// <summary>Whether all leaves are in.</summary>
    public bool Complete => nodes.ContainsKey((height, 0));

    /// <summary>The sum of all leaves; owned by the tree.</summary>
    public Tensor Root =>
        nodes.TryGetValue((height, 0), out var root)
            ? root.Sum
            : throw new InvalidOperationException("not all leaves of the gradient tree are in");

    /// <summary>
    /// Puts a leaf, keyed by its microbatch: a leaf that is already there, or already in a sum, is ignored and never added twice.
    /// Ownership of <paramref name="gradient"/> passes to the tree.
    /// </summary>
    public void Put(int leaf, Tensor gradient)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(leaf);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(leaf, Leaves);
        gradient.DetachFromDisposeScope();
        if (Holds(leaf))
        {
            gradient.Dispose();
            return;
        }

        Add(0, leaf, gradient);
    }

    /// <summary>All that is held has the bytes it had when it was computed.</summary>
    /// <exception cref="DamagedMemoryException">It has others.</exception>
    public void RequireIntact()
    {
        foreach (var (sum, seal) in nodes.Values) Intact(sum, seal);
    }

    /// <summary>The sums held, each the largest that its leaves allow; owned by the tree.</summary>
    public IReadOnlyList<(int Level, int Index, Tensor Sum)> Nodes =>
        [.. nodes.OrderBy(static node => node.Key).Select(static node => (node.Key.Level, node.Key.Index, node.Value.Sum))];

    /// <summary>
    /// Puts a sum of another replica's tree: it combines as if its leaves had arisen here. A node whose leaves are already in is ignored.
    /// Ownership of <paramref name="sum"/> passes to the tree.
    /// </summary>
    public void PutNode(int level, int index, Tensor sum)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(level);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(level, height);
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(index, (Leaves - 1) >> level);
        sum.DetachFromDisposeScope();
        if (level == height)
        {
            // The whole sum: what was here is part of it.
            Clear();
            nodes[(level, index)] = (sum, Seal.Of(sum));
        }
        else if (Covered(level, index))
        {
            sum.Dispose();
        }
        else
        {
            Add(level, index, sum);
        }
    }

    private static void Intact(Tensor sum, Seal seal) => seal.Require(sum, "a gradient");

    private bool Covered(int level, int index)
    {
        for (var above = level; above <= height; above++)
        {
            if (nodes.ContainsKey((above, index >> (above - level)))) return true;
        }

        return false;
    }

    private void Add(int level, int index, Tensor node)
    {
        while (level < height)
        {
            var last = (Leaves - 1) >> level;
            if ((index & 1) == 0 && index == last)
            {
                // No right sibling on this level: the node is its own parent.
            }
            else if (nodes.Remove((level, index ^ 1), out var sibling))
            {
                Intact(sibling.Sum, sibling.Seal);
                var (left, right) = (index & 1) == 0 ? (node, sibling.Sum) : (sibling.Sum, node);
                left.add_(right, One).DetachFromDisposeScope();
                right.Dispose();
                node = left;
            }
            else
            {
                break;
            }

            level++;
            index >>= 1;
        }

        nodes[(level, index)] = (node, Seal.Of(node));
    }

    /// <summary>Whether a leaf is in the tree, by itself or in a sum.</summary>
    public bool Holds(int leaf) => Covered(0, leaf);

    /// <summary>Drops everything.</summary>
    public void Clear()
    {
        foreach (var (sum, _) in nodes.Values) sum.Dispose();
        nodes.Clear();
    }
}
