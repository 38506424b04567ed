using System.Runtime.Intrinsics;
using Peft.Orleans.Kernels.Loops;
using Peft.Orleans.Kernels.Loops.Attention;
using TorchSharp;
using static Peft.Orleans.Kernels.Tests.Loops.Tensors;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Loops.Attention;

/// <summary>What attention does to rows between its products, against the same formulas from libtorch in float64.</summary>
public sealed class AttentionLoopTests
{
    private const int HeadDim = 16;

    public static TheoryData<ScalarType> Types => new(ScalarType.Float32, ScalarType.BFloat16);

    [Theory]
    [MemberData(nameof(Types))]
    public void Softmax_sees_no_key_after_its_query_and_its_gradient_is_that_of_the_formula(ScalarType type)
    {
        const int First = 4, Count = 9, Group = 3, Seen = First + Count;
        using var scope = NewDisposeScope();
        var (scores, d) = (Random(type, 2, Count * Group, Seen), Random(type, 2, Count * Group, Seen));
        var deltas = Random(ScalarType.Float32, 2, 50);
        var mask = full([Count, Seen], double.NegativeInfinity, ScalarType.Float64).triu(First + 1).repeat_interleave(Group, 0);
        var expected = scores.to(ScalarType.Float64).mul(0.25).add(mask).softmax(-1);
        AttentionLoops.Softmax(scores, First, 0, new ScoreRule(new AttentionShape(Group, 1, HeadDim) { Scale = 0.25f }));
        Close(expected, scores, type);
        Assert.Equal(0, scores.masked_select(mask.lt(0)).abs().max().to(ScalarType.Float32).item<float>());
        var gradient = scores.to(ScalarType.Float64).mul(d.to(ScalarType.Float64).sub(deltas.narrow(1, 7, Count * Group).unsqueeze(2)));
        AttentionLoops.Backward(d, scores, deltas, 7);
        Close(gradient, d, type);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Heads_are_rotated_there_and_back(ScalarType type)
    {
        const int KeyHeads = 2, Group = 3, Columns = 11;
        using var scope = NewDisposeScope();
        var layout = new AttentionShape(KeyHeads * Group, KeyHeads, HeadDim).Queries(new Segment(1, 2, 3, 7), Columns);
        var (flat, output) = (Random(type, 3 * Columns, KeyHeads * Group * HeadDim), Random(type, 3 * Columns, KeyHeads * Group * HeadDim));
        var angles = Random(ScalarType.Float32, 7, HeadDim / 2);
        var (cos, sin) = (angles.cos(), angles.sin());
        var turned = new Angles(cos, sin);
        var part = Cut(flat);
        var (first, second) = (part.narrow(-1, 0, HeadDim / 2), part.narrow(-1, HeadDim / 2, HeadDim / 2));
        var (c, s) = (cos.to(ScalarType.Float64).unsqueeze(1), sin.to(ScalarType.Float64).unsqueeze(1));
        var expected = cat([first.mul(c).sub(second.mul(s)), second.mul(c).add(first.mul(s))], -1).reshape(4, 7 * Group, HeadDim);
        var heads = HeadLoops.Gather(flat, layout, turned);
        Close(expected, heads, type);

        var back = flat.clone();
        for (var start = 0; start < 7; start += 4)
        {
            var count = Math.Min(4, 7 - start);
            var piece = heads.narrow(1, start * Group, count * Group).contiguous();
            HeadLoops.Scatter(piece, back, layout.Positions(start, count), turned, 1);
        }

        Close(flat, back, type, roundings: 2);
        var (moved, deltas) = HeadLoops.GatherGradient(flat, output, layout);
        Assert.True(moved.equal(part.reshape(4, 7 * Group, HeadDim).to(type)).all().item<bool>());
        Close(part.mul(Cut(output)).sum(-1).reshape(4, 7 * Group), deltas, ScalarType.Float32);

        // [2, kv, 7, group, head_dim]
        static Tensor Cut(Tensor rows) => rows.to(ScalarType.Float64).view(3, Columns, KeyHeads, Group, HeadDim)
            .narrow(0, 1, 2).narrow(1, 3, 7).permute(0, 2, 1, 3, 4);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Wide_vectors_change_no_bit(ScalarType type)
    {
        // Of rows of seven narrow vectors the wide ones take all but the last.
        using var scope = NewDisposeScope();
        var d = Random(type, 5, 56);
        var scores = Random(type, 1, 5, 56);
        var expected = Probabilities(scores, 0.25f).to(type);
        AttentionLoops.Softmax(scores, 55, 0, new ScoreRule(new AttentionShape(5, 1, HeadDim) { Scale = 0.25f }));
        Assert.True(expected.equal(scores).all().item<bool>());
        var deltas = Random(ScalarType.Float32, 1, 5);
        var gradient = scores.to(ScalarType.Float32).mul(d.view(1, 5, 56).to(ScalarType.Float32).sub(deltas.unsqueeze(2))).to(type);
        AttentionLoops.Backward(d.view(1, 5, 56), scores, deltas, 0);
        Assert.True(gradient.view(5, 56).equal(d).all().item<bool>());
    }

    /// <summary>Softmax of rows <c>[1, rows, n]</c>, n a multiple of 8, in narrow vectors.</summary>
    private static Tensor Probabilities(Tensor scores, float scale)
    {
        var n = (int)scores.shape[2];
        var values = scores.to(ScalarType.Float32).mul(scale).data<float>().ToArray();
        for (var row = 0; row < values.Length; row += n)
        {
            var largest = Vector256.Create(values.AsSpan(row, n).ToArray().Max());
            var sum = Vector256<float>.Zero;
            for (var i = row; i < row + n; i += ILanes.Count)
            {
                var e = Lanes.Exp(Vector256.Create(values, i) - largest);
                e.CopyTo(values, i);
                sum += e;
            }

            var factor = Vector256.Create(1 / Lanes.Sum(sum));
            for (var i = row; i < row + n; i += ILanes.Count) (Vector256.Create(values, i) * factor).CopyTo(values, i);
        }

        return tensor(values, scores.shape);
    }

    private static Tensor Random(ScalarType type, params long[] shape) => Tensors.Random(shape.Sum(), type, shape);
}
