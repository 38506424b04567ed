using Peft.Orleans.Kernels.Loops.Attention;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static Peft.Orleans.Kernels.Tests.Loops.Tensors;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Loops.Attention;

/// <summary>Every kernel, whichever this machine takes, makes the same attention of rows cut into segments; and which it takes.</summary>
public sealed class AttentionKernelTests
{
    private const int Rows = 2, Columns = 140;

    private static readonly AttentionShape Shape = new(4, 2, 16);

    /// <summary>What scores may have beside their scale, and rows their heads in.</summary>
    private static readonly Dictionary<string, AttentionShape> Shapes = new()
    {
        ["plain"] = Shape,
        ["window of a few"] = Shape with { Window = 3 },
        ["window over blocks"] = Shape with { Window = 70 },
        ["slopes"] = new(6, 3, 16) { Slopes = AlibiSlopes.Of(6) },
        ["slopes, window, fused"] = Shape with { Slopes = AlibiSlopes.Of(4), Window = 40, Fused = true },
    };

    /// <summary>Packed rows with a sample over a block, over two, of a few positions and of one, and a whole row beside them.</summary>
    private static readonly Segment[] Segments =
        [new(0, 1, 0, 33), new(0, 1, 33, 100), new(0, 1, 133, 6), new(0, 1, 139, 1), new(1, 1, 0, Columns)];

    public static MatrixTheoryData<string, (string Name, ScalarType Type)> Kernels => new(
        Shapes.Keys,
        [
            (nameof(PackedAttention), ScalarType.Float32),
            (nameof(PackedAttention), ScalarType.BFloat16),
            (nameof(BlockedAttention), ScalarType.Float32),
            (nameof(BatchedAttention), ScalarType.Float32),
            (nameof(BatchedAttention), ScalarType.BFloat16),
            (nameof(TensorAttention), ScalarType.Float32),
            (nameof(TensorAttention), ScalarType.BFloat16),
        ]);

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Each_is_the_formula_of_every_segment(string of, (string Name, ScalarType Type) with)
    {
        using var scope = NewDisposeScope();
        var (shape, type) = (Shapes[of], with.Type);
        using var kernel = Make(with.Name, shape, type);
        var wide = Random(shape, type);
        var dOutput = Random(4, type, shape.Heads);
        var angles = arange(Columns, ScalarType.Float32).unsqueeze(1).mul(tensor(new[] { 1f, 0.7f, 0.5f, 0.3f, 0.2f, 0.1f, 0.05f, 0.01f }));
        var (q, k, v) = (Trained(wide.Queries), Trained(wide.Keys), Trained(wide.Values));
        var expected = Formula(shape, Heads(q, k, v, shape), angles.to(ScalarType.Float64));
        autograd.backward([expected], [dOutput.to(ScalarType.Float64)]);

        using var noGrad = no_grad();
        var output = zeros_like(dOutput);
        var gradients = shape.Fused
            ? Fused(zeros_like(wide.Queries))
            : new AttentionRows(zeros_like(wide.Queries), zeros_like(wide.Keys), zeros_like(wide.Values), Columns);
        foreach (var segment in Segments)
            kernel.Forward(kernel.Gather(wide, segment, Of(angles, segment)), output, Columns);
        foreach (var segment in Segments)
            kernel.Backward(kernel.Gather(wide, segment, Of(angles, segment)), Of(angles, segment), output, dOutput, gradients);
        Close(expected, output, type);
        // Fused rows are one tensor: of the three copies of it, each has a part of the gradient.
        var (dq, dk, dv) = (q.grad!, k.grad!, v.grad!);
        if (shape.Fused) dq = dk = dv = dq.add(dk).add(dv);
        Close(dq, gradients.Queries, type);
        Close(dk, gradients.Keys, type);
        Close(dv, gradients.Values, type);
    }

    [Fact]
    public void The_fastest_that_fits_is_taken()
    {
        var packed = BlockKernel.HasSingle;
        using var single = AttentionKernels.Fastest(Shape, ScalarType.Float32, CPU);
        using var half = AttentionKernels.Fastest(Shape, ScalarType.BFloat16, CPU);
        Assert.IsType(
            packed ? typeof(PackedAttention) : SingleProducts.Found ? typeof(BlockedAttention) : typeof(BatchedAttention),
            single);
        Assert.IsType(BlockKernel.HasHalf ? typeof(PackedAttention) : typeof(BatchedAttention), half);
        Assert.Null(AttentionKernels.Fastest(new AttentionShape(4, 2, 24), ScalarType.Float32, CPU));
        Assert.Null(AttentionKernels.Fastest(Shape, ScalarType.Float16, CPU));
        Assert.Null(AttentionKernels.Fastest(Shape, ScalarType.Float32, new Device("meta")));
    }

    private static IAttentionKernel Make(string name, AttentionShape shape, ScalarType type)
    {
        var found = name switch
        {
            nameof(PackedAttention) => PackedAttention.Fit(shape, type),
            nameof(BlockedAttention) => BlockedAttention.Fit(type),
            _ => true,
        };
        Assert.SkipUnless(found, $"SKIPPED: this processor, or libtorch on it, has no kernel for {type}");
        return name switch
        {
            nameof(PackedAttention) => new PackedAttention(shape, 1),
            nameof(BlockedAttention) => new BlockedAttention(shape, 1),
            nameof(BatchedAttention) => new BatchedAttention(shape),
            _ => new TensorAttention(shape, CPU),
        };
    }

    /// <summary>Queries, keys and values <c>[rows, columns, heads, head_dim]</c> of rows as linears make them.</summary>
    private static (Tensor Queries, Tensor Keys, Tensor Values) Heads(Tensor q, Tensor k, Tensor v, AttentionShape shape)
    {
        var group = shape.Group;
        if (!shape.Fused) return (Split(q, shape.Heads), Split(k, shape.KeyHeads), Split(v, shape.KeyHeads));
        return (Slots(q, 0, group), Slots(k, group, 1), Slots(v, group + 1, 1));

        Tensor Split(Tensor rows, int heads) => rows.view(Rows, Columns, heads, shape.HeadDim);

        Tensor Slots(Tensor rows, int first, int count) =>
            rows.view(Rows, Columns, shape.KeyHeads, group + 2, shape.HeadDim).narrow(3, first, count).flatten(2, 3);
    }

    /// <summary>Attention of float64 heads, every one by itself.</summary>
    private static Tensor Formula(AttentionShape shape, (Tensor Queries, Tensor Keys, Tensor Values) heads, Tensor angles)
    {
        var rows = new List<Tensor>();
        for (var row = 0; row < Rows; row++)
        {
            var parts = Segments.Where(segment => segment.Row == row).Select(segment => cat(
                [.. Enumerable.Range(0, shape.Heads).Select(head => Attend(shape, segment, heads, head, angles))], 1));
            rows.Add(cat([.. parts], 0));
        }

        return cat([.. rows], 0);
    }

    private static Tensor Attend(
        AttentionShape shape,
        Segment segment,
        (Tensor Queries, Tensor Keys, Tensor Values) heads,
        int head,
        Tensor angles)
    {
        var (cos, sin) = (angles.narrow(0, 0, segment.Length).cos(), angles.narrow(0, 0, segment.Length).sin());
        var (q, k, v) = (Part(heads.Queries, head), Part(heads.Keys, head / shape.Group), Part(heads.Values, head / shape.Group));
        var positions = arange(segment.Length, ScalarType.Float64);
        var distance = positions.unsqueeze(1).sub(positions);
        var unseen = distance.lt(0).logical_or(distance.ge(shape.Window));
        var bias = distance.mul(-(shape.Slopes?.Values[head] ?? 0)).masked_fill(unseen, double.NegativeInfinity);
        return Turned(q).matmul(Turned(k).t()).mul(shape.Scale).add(bias).softmax(-1).matmul(v);

        Tensor Part(Tensor all, int of) => all.select(2, of).select(0, segment.Row).narrow(0, segment.Start, segment.Length);

        Tensor Turned(Tensor x)
        {
            var (first, second) = (x.narrow(1, 0, shape.HeadDim / 2), x.narrow(1, shape.HeadDim / 2, shape.HeadDim / 2));
            return cat([first.mul(cos).sub(second.mul(sin)), second.mul(cos).add(first.mul(sin))], 1);
        }
    }

    private static Angles Of(Tensor angles, Segment segment) =>
        new(angles.narrow(0, 0, segment.Length).cos(), angles.narrow(0, 0, segment.Length).sin());

    private static AttentionRows Random(AttentionShape shape, ScalarType type) => shape.Fused
        ? Fused(Random(1, type, shape.KeyHeads * (shape.Group + 2)))
        : new AttentionRows(
            Random(1, type, shape.Heads),
            Random(2, type, shape.KeyHeads),
            Random(3, type, shape.KeyHeads),
            Columns);

    private static AttentionRows Fused(Tensor rows) => new(rows, rows, rows, Columns);

    private static Tensor Random(long seed, ScalarType type, int heads) =>
        Tensors.Random(seed, type, Rows * Columns, heads * Shape.HeadDim);

    /// <summary>
    /// Relative to the largest: in fp32 as many roundings as a row has keys; in bf16 of turned heads, probabilities, gradients of scores
    /// and results, each of 2⁻⁹, of terms that are up to twice as large as their sum.
    /// </summary>
    private static void Close(Tensor expected, Tensor actual, ScalarType type)
    {
        Assert.Equal(type, actual.dtype);
        var error = actual.to(ScalarType.Float64).sub(expected).abs().max().item<double>() / expected.abs().max().item<double>();
        Assert.True(error < (type == ScalarType.Float32 ? 2e-6 : 1.0 / 64), $"off by {error} of the largest");
    }
}
