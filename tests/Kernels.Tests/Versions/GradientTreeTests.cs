using CsCheck;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Versions;

public class GradientTreeTests
{
    [Fact]
    public void The_sum_has_the_same_bits_in_every_order_and_repeated_leaves_count_once()
    {
        (from leaves in Gen.Int[1, 17] from seed in Gen.Int[0, 1000] select (leaves, seed)).Sample(
            given =>
            {
                using var scope = NewDisposeScope();
                var random = new Random(given.seed);
                var values = Enumerable
                    .Range(0, given.leaves)
                    .Select(_ =>
                        Enumerable.Range(0, 5).Select(_ => (float)(random.NextDouble() * Math.Pow(10, random.Next(-4, 5)))).ToArray()
                    )
                    .ToArray();
                var expected = Sum(values, 0, Ceiling(given.leaves));
                var tree = new GradientTree(given.leaves);
                var order = Enumerable.Range(0, given.leaves).OrderBy(_ => random.Next()).ToArray();
                foreach (var leaf in order)
                {
                    Assert.False(tree.Complete);
                    tree.Put(leaf, tensor(values[leaf]));
                    Assert.True(tree.Holds(leaf));
                    // A message that arrives twice.
                    tree.Put(leaf, tensor(values[leaf]));
                }

                Assert.True(tree.Complete);
                Assert.Equal(expected, tree.Root.data<float>().ToArray());
                tree.Clear();
                Assert.False(tree.Complete);
            },
            iter: 100,
            threads: 1
        );
    }

    [Fact]
    public void An_incomplete_tree_has_no_root()
    {
        var tree = new GradientTree(3);
        tree.Put(1, zeros(2));
        Assert.Throws<InvalidOperationException>(() => tree.Root);
        Assert.Throws<ArgumentOutOfRangeException>(() => tree.Put(3, zeros(2)));
        tree.Clear();
    }

    private static int Ceiling(int leaves) => leaves <= 1 ? 1 : (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)leaves);

    private static float[] Sum(float[][] values, int start, int span)
    {
        if (span == 1) return values[start];
        var left = Sum(values, start, span / 2);
        if (start + (span / 2) >= values.Length) return left;
        var right = Sum(values, start + (span / 2), span / 2);
        return [.. left.Zip(right, static (a, b) => a + b)];
    }
}
