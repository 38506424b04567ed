using Peft.Orleans.Kernels.Loops.Attention;
using Peft.Orleans.Kernels.Models.Attention;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Models;

/// <summary>Attention of a block where scores have a window and slopes: a cache, padding and packing change nothing but rounding.</summary>
public sealed class CausalAttentionTests
{
    private const int Heads = 6, HeadDim = 16, Width = 3 * Heads * HeadDim;

    private static readonly AttentionShape Shape = new(Heads, Heads, HeadDim)
    {
        Window = 20,
        Slopes = AlibiSlopes.Of(Heads),
        Fused = true,
    };

    [Theory]
    [InlineData(20)]
    [InlineData(int.MaxValue)]
    public void Cached_passes_in_pieces_behind_padding_equal_one_whole_pass(int window)
    {
        const int Columns = 150, Padding = 5;
        using var scope = NewDisposeScope();
        using var attention = new CausalAttention(Shape with { Window = window }, null, ScalarType.Float32, CPU);
        var alone = randn(Columns, Width);
        var whole = attention.Forward(alone, alone, alone, 1, [new Segment(0, 1, 0, Columns)], null);
        // A longer row beside it, and before the shorter one what should not be seen.
        var rows = stack([randn(Columns + Padding, Width), cat([randn(Padding, Width), alone], 0)], 0);
        using var cache = new KeyValueCache();
        cache.Pad([0, Padding]);
        var parts = new List<Tensor>();
        foreach (var (start, count) in new[] { (0, 140), (140, 1), (141, 14) })
        {
            var part = rows.narrow(1, start, count).reshape(-1, Width);
            parts.Add(attention.ForwardCached(part, part, part, 2, cache).view(2, count, -1));
        }

        var cached = cat([.. parts], 1)[1].narrow(0, Padding, Columns);
        Assert.True(allclose(whole, cached, 1e-5, 1e-5), $"off by {whole.sub(cached).abs().max().item<float>()}");
    }

    /// <summary>Keys that no query sees may go: what is left gives the same bits.</summary>
    [Theory]
    [InlineData(20, 1, ScalarType.Float32)]
    [InlineData(20, 14, ScalarType.Float32)]
    [InlineData(7, 1, ScalarType.BFloat16)]
    [InlineData(130, 40, ScalarType.Float32)]
    public void Keys_before_the_window_change_no_bit(int window, int queries, ScalarType type)
    {
        const int Positions = 400;
        using var scope = NewDisposeScope();
        using var attention = new TensorAttention(Shape with { Window = window }, CPU);
        var (keys, values) = (Heads(Positions), Heads(Positions));
        var q = Heads(queries * Shape.Group);
        var expected = attention.Attend(q, keys, values, Positions - queries, null);
        var unseen = Positions - queries - window + 1;
        foreach (var dropped in (int[])[1, unseen / 2, unseen - 3, unseen])
        {
            var (k, v) = (Rest(keys, dropped), Rest(values, dropped));
            var actual = attention.Attend(q, k, v, Positions - queries - dropped, null);
            Assert.True(expected.eq(actual).all().item<bool>(), $"{dropped} dropped");
        }

        Tensor Heads(int length) => randn(2 * Shape.KeyHeads, length, Shape.HeadDim).to(type);

        // In room for more, as a cache has it.
        Tensor Rest(Tensor of, int from)
        {
            var room = zeros([of.shape[0], 512, of.shape[2]], of.dtype);
            room.narrow(1, 0, Positions - from).copy_(of.narrow(1, from, Positions - from));
            return room.narrow(1, 0, Positions - from);
        }
    }

    [Fact]
    public void Samples_of_a_packed_row_are_as_each_alone_to_the_bit_and_have_its_gradient()
    {
        using var scope = NewDisposeScope();
        using var attention = new CausalAttention(Shape, null, ScalarType.Float32, CPU);
        var (row, gradient) = (randn(100, Width), randn(100, Heads * HeadDim));
        Segment[] segments = [new(0, 1, 0, 70), new(0, 1, 70, 30)];
        var (packed, backward) = Pass(row, gradient, segments);
        foreach (var segment in segments)
        {
            var (one, d) = Pass(Part(row, segment), Part(gradient, segment), [segment with { Start = 0 }]);
            Assert.True(one.equal(Part(packed, segment)).all().item<bool>());
            Assert.True(d.equal(Part(backward, segment)).all().item<bool>());
        }

        (Tensor Output, Tensor Gradient) Pass(Tensor x, Tensor dOutput, Segment[] of)
        {
            var saved = new List<SegmentHeads>();
            var output = attention.Forward(x, x, x, 1, of, saved);
            return (output, attention.Backward(saved, output, dOutput, 1).Q);
        }

        static Tensor Part(Tensor rows, Segment segment) => rows.narrow(0, segment.Start, segment.Length).contiguous();
    }
}
