using Peft.Orleans.Kernels.Loops.Rotations;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static Peft.Orleans.Kernels.Tests.Loops.Tensors;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Loops.Rotations;

/// <summary>Products of bf16 rows with small blocks along a diagonal against float64, and bit by bit on other numbers of threads.</summary>
public sealed class PackedRotationTests
{
    [Theory]
    [InlineData(1, 32, 16)]
    [InlineData(64, 96, 32)]
    [InlineData(150, 192, 64)]
    public void Rows_are_rotated_block_by_block(int rows, int columns, int group)
    {
        const string Missing = "SKIPPED: this processor has no bf16 products (AVX512-BF16 without AMX), or libtorch no kernel for them";
        Assert.SkipUnless(BlockKernel.HasHalf, Missing);
        const ScalarType of = ScalarType.BFloat16;
        using var scope = NewDisposeScope();
        var groups = columns / group;
        var (x, y, blocks) = (Random(1, of, rows, columns), Random(2, of, rows, columns), Random(3, of, groups, group, group));
        Assert.True(PackedRotation.Fit(x, group));
        var byGroup = Float64(x).view(rows, groups, group).transpose(0, 1);
        var outer = byGroup.transpose(1, 2).bmm(Float64(y).view(rows, groups, group).transpose(0, 1)).mul(0.3);
        foreach (var transposed in new[] { false, true })
        {
            var matrices = transposed ? Float64(blocks).transpose(1, 2) : Float64(blocks);
            var rotated = byGroup.bmm(matrices).transpose(0, 1).reshape(rows, columns);
            Tensor? first = null;
            foreach (var threads in new[] { 1, 2, 3 })
            {
                var (added, itself) = (y.clone(), x.clone());
                PackedRotation.Add(x, blocks, added, transposed, 0.3, threads);
                PackedRotation.Add(itself, blocks, itself, transposed, 0.3, threads);
                Within(Float64(y).add(rotated, 0.3), added, group);
                Within(Float64(x).add(rotated, 0.3), itself, group);
                first ??= added;
                Same(first, added, $"{threads} threads");
                Within(outer, PackedRotation.Outer(x, y, group, 0.3, threads), rows);
            }
        }
    }
}
