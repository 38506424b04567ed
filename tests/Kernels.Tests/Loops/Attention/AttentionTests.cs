using Peft.Orleans.Kernels.Loops.Attention;
using TorchSharp;
using static Peft.Orleans.Kernels.Tests.Loops.Tensors;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Loops.Attention;

/// <summary>
/// Causal attention block by block against float64 and its derivatives by autograd, and bit by bit against itself on other numbers of
/// threads.
/// </summary>
public sealed class AttentionTests
{
    private const int HeadDim = 32;
    private const float Scale = 0.25f;

    /// <summary>
    /// Heads and positions: one, a whole block, one more, several blocks with a part of one, more heads than parts are made for; and
    /// queries of a key head. Then windows: within a block, over blocks, wider than all; 0: none. The last ones have slopes too.
    /// </summary>
    public static TheoryData<int, int, int, int, bool> Shapes => new()
    {
        { 1, 1, 3, 0, false },
        { 1, 64, 3, 0, false },
        { 2, 65, 1, 0, false },
        { 3, 300, 3, 0, false },
        { 40, 130, 2, 0, false },
        { 3, 300, 3, 20, false },
        { 1, 300, 2, 64, false },
        { 3, 300, 3, 2, true },
        { 3, 300, 3, 129, true },
        { 2, 100, 6, 1000, true },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Blocks_are_the_formula_in_fp32(int batch, int length, int group, int window, bool sloped) => Check(
        ScalarType.Float32,
        static (_, type) => BlockedAttention.Fit(type),
        static (shape, threads) => new BlockedAttention(shape, threads),
        batch,
        length,
        Shape(group, window, sloped));

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Packed_blocks_are_the_formula_in_fp32(int batch, int length, int group, int window, bool sloped) => Check(
        ScalarType.Float32,
        PackedAttention.Fit,
        static (shape, threads) => new PackedAttention(shape, threads),
        batch,
        length,
        Shape(group, window, sloped));

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Packed_blocks_are_the_formula_in_bf16(int batch, int length, int group, int window, bool sloped) => Check(
        ScalarType.BFloat16,
        PackedAttention.Fit,
        static (shape, threads) => new PackedAttention(shape, threads),
        batch,
        length,
        Shape(group, window, sloped));

    private static void Check(
        ScalarType type,
        Func<AttentionShape, ScalarType, bool> fit,
        Func<AttentionShape, int, BlockwiseAttention> make,
        int batch,
        int length,
        AttentionShape shape)
    {
        using var scope = NewDisposeScope();
        var group = shape.Group;
        Assert.SkipUnless(fit(shape, type), $"SKIPPED: this processor, or libtorch on it, has no kernel for {type}");
        var (q, d) = (Random(1, type, batch, length * group, HeadDim), Random(2, type, batch, length * group, HeadDim));
        var (k, v) = (Random(3, type, batch, length, HeadDim), Random(4, type, batch, length, HeadDim));
        var (q64, k64, v64) = (Trained(q), Trained(k), Trained(v));
        var expected = q64.matmul(k64.transpose(1, 2)).mul(Scale).add(Bias(shape, length)).softmax(-1).matmul(v64);
        torch.autograd.backward([expected], [d.to(ScalarType.Float64)]);
        using var noGrad = no_grad();
        var deltas = expected.mul(d).sum(-1).to(ScalarType.Float32);
        var heads = new SegmentHeads(new Segment(0, batch, 0, length), q, k, v);
        var kernel = make(shape, 1);
        var output = kernel.Attend(heads);
        var (dq, dk, dv) = kernel.Differentiate(heads, d, deltas);
        Within(expected, output, type);
        Within(q64.grad!, dq.mul(Scale), type);
        Within(k64.grad!, dk.mul(Scale), type);
        Within(v64.grad!, dv, type);
        foreach (var threads in new[] { 2, 3 })
        {
            var other = make(shape, threads);
            Same(output, other.Attend(heads), $"{threads} threads");
            var (dq2, dk2, dv2) = other.Differentiate(heads, d, deltas);
            foreach (var (first, second) in new[] { (dq, dq2), (dk, dk2), (dv, dv2) }) Same(first, second, $"{threads} threads");
        }
    }

    private static AttentionShape Shape(int group, int window, bool sloped) => new(group, 1, HeadDim)
    {
        Scale = Scale,
        Window = window == 0 ? int.MaxValue : window,
        Slopes = sloped ? AlibiSlopes.Of(group) : null,
    };

    /// <summary>What is added to scores of a key head, <c>[length·group, length]</c>: −slope · distance, −∞ for what is not seen.</summary>
    private static Tensor Bias(AttentionShape shape, int length)
    {
        var positions = arange(length, ScalarType.Float64);
        var distance = positions.unsqueeze(1).sub(positions).unsqueeze(1); // [length, 1, length]
        var slopes = tensor(shape.Slopes?.Values.ToArray() ?? new float[shape.Group]).to(ScalarType.Float64).unsqueeze(1);
        var unseen = distance.lt(0).logical_or(distance.ge(shape.Window));
        return distance.mul(slopes).neg().masked_fill(unseen, double.NegativeInfinity).view(-1, length);
    }

    /// <summary>
    /// Relative to the largest (one key alone has no gradient). In fp32: sums of up to 3 · length terms of size 1, rounded after each. In
    /// bf16 probabilities and the gradients of scores, made from them, are rounded by 2⁻⁹ at most each before they are summed up: together
    /// 2⁻⁸ of a term, and terms are up to twice as large as their sum.
    /// </summary>
    private static void Within(Tensor expected, Tensor actual, ScalarType type)
    {
        Assert.Equal(ScalarType.Float32, actual.dtype);
        var largest = Math.Max(1, expected.abs().max().item<double>());
        var error = actual.to(ScalarType.Float64).sub(expected).abs().max().item<double>() / largest;
        Assert.True(error < (type == ScalarType.Float32 ? 2e-6 : 1.0 / 128), $"off by {error} of the largest");
    }
}
