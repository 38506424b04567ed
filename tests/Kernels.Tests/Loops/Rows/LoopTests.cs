using System.Runtime.Intrinsics;
using Peft.Orleans.Kernels.Loops;
using Peft.Orleans.Kernels.Loops.Attention;
using Peft.Orleans.Kernels.Loops.Rows;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Loops.Rows;

/// <summary>Our own loops against the same formulas from libtorch in float64; results are right to the rounding of their type.</summary>
public sealed class LoopTests
{
    public static TheoryData<ScalarType> Types => new(ScalarType.Float32, ScalarType.BFloat16);

    [Theory]
    [MemberData(nameof(Types))]
    public void RmsNorm_and_its_gradient_are_those_of_the_formula(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var (x, dh, residual) = (Random(type, 37, 72), Random(type, 37, 72), Random(type, 37, 72));
        var weight = Random(ScalarType.Float32, 72);
        var (inverse, rows) = NormLoops.Forward(x, weight, 1e-5);
        var x64 = x.to(ScalarType.Float64).requires_grad_();
        var expected = x64.mul(x64.square().mean([1], keepdim: true).add(1e-5).rsqrt()).mul(weight.to(ScalarType.Float64));
        Close(expected, rows, type);
        Assert.True(NormLoops.Apply(x, inverse, weight).equal(rows).all().item<bool>());
        torch.autograd.backward([expected], [dh.to(ScalarType.Float64)]);
        using var noGrad = no_grad();
        Close(x64.grad!, NormLoops.Backward(dh, x, inverse, weight, null), type);
        Close(x64.grad!.add(residual.to(ScalarType.Float64)), NormLoops.Backward(dh, x, inverse, weight, residual), type);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Swiglu_and_its_gradients_are_those_of_the_formula(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var (gate, up, d) = (Random(type, 19, 4096).mul_(4), Random(type, 19, 4096), Random(type, 19, 4096));
        gate.narrow(1, 0, 1).fill_(-95);
        gate.narrow(1, 1, 1).fill_(95);
        var (g64, u64) = (gate.to(ScalarType.Float64).requires_grad_(), up.to(ScalarType.Float64).requires_grad_());
        var expected = nn.functional.silu(g64).mul(u64);
        Close(expected, GateLoops.Forward(gate, up), type);
        torch.autograd.backward([expected], [d.to(ScalarType.Float64)]);
        using var noGrad = no_grad();
        var (dGate, dUp) = GateLoops.Backward(gate, up, d.clone());
        Close(g64.grad!, dGate, type);
        Close(u64.grad!, dUp, type);
    }

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
        AttentionLoops.Softmax(scores, First, Group, 0.25f);
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
        const int KeyHeads = 2, Group = 3, HeadDim = 16, Columns = 11;
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
    public void Cross_entropy_and_its_gradient_are_those_of_the_formula(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var logits = Random(type, 21, 4808).mul_(5);
        var targets = arange(21, ScalarType.Int64).mul_(229);
        var expected = logits.to(ScalarType.Float64).log_softmax(-1);
        var loss = -expected.gather(1, targets.unsqueeze(1)).sum().item<double>();
        var gradient = expected.exp().scatter_add_(1, targets.unsqueeze(1), full([21, 1], -1, ScalarType.Float64));
        Assert.Equal(loss, CrossEntropyLoops.Loss(logits.clone(), targets, gradient: false), loss * 1e-6);
        Assert.Equal(loss, CrossEntropyLoops.Loss(logits, targets, gradient: true), loss * 1e-6);
        Close(gradient, logits, type);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Wide_vectors_change_no_bit(ScalarType type)
    {
        // Of rows of one narrow vector nothing is wide, of rows of seven all but the last.
        using var scope = NewDisposeScope();
        var (gate, up, d) = (Random(type, 5, 56).mul_(3), Random(type, 5, 56), Random(type, 5, 56));
        Tensor[] Cut(Tensor rows) => [.. rows.split(8, 1).Select(static part => part.contiguous())];
        Assert.True(GateLoops.Forward(gate, up).equal(cat([.. Cut(gate).Zip(Cut(up), GateLoops.Forward)], 1)).all().item<bool>());
        var (dGate, dUp) = GateLoops.Backward(gate, up, d.clone());
        var parts = Cut(gate).Zip(Cut(up), Cut(d)).Select(static part => GateLoops.Backward(part.First, part.Second, part.Third)).ToArray();
        Assert.True(dGate.equal(cat([.. parts.Select(static part => part.Gate)], 1)).all().item<bool>());
        Assert.True(dUp.equal(cat([.. parts.Select(static part => part.Up)], 1)).all().item<bool>());

        var scores = Random(type, 1, 5, 56);
        var expected = Probabilities(scores, 0.25f).to(type);
        AttentionLoops.Softmax(scores, 55, 5, 0.25f);
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

    [Fact]
    public void What_is_not_a_number_stays_so()
    {
        using var scope = NewDisposeScope();
        var gate = full([1, 8], float.NaN, ScalarType.BFloat16);
        Assert.True(GateLoops.Forward(gate, ones_like(gate)).to(ScalarType.Float32).isnan().all().item<bool>());
        Assert.True(double.IsNaN(CrossEntropyLoops.Loss(gate, zeros(1, ScalarType.Int64), gradient: false)));
    }

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

    private static Tensor Random(ScalarType type, params long[] shape)
    {
        using var generator = new Generator((ulong)shape.Sum());
        return randn(shape, ScalarType.Float32, CPU, generator: generator).to(type);
    }

    private static void Close(Tensor expected, Tensor actual, ScalarType type, int roundings = 1)
    {
        using var noGrad = no_grad();
        var limit = roundings * (type == ScalarType.Float32 ? 2e-6 : 1.0 / 128);
        var exact = expected.to(ScalarType.Float64);
        var error = actual.to(ScalarType.Float64).sub(exact).abs().sub(exact.abs().mul(limit)).max().item<double>();
        Assert.True(error < limit / 4, $"off by {error} beyond {limit} of its size");
    }
}
