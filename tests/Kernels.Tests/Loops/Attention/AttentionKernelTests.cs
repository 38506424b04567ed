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

    /// <summary>Packed rows with a sample over a block, over two, of a few positions and of one, and a whole row beside them.</summary>
    private static readonly Segment[] Segments =
        [new(0, 1, 0, 33), new(0, 1, 33, 100), new(0, 1, 133, 6), new(0, 1, 139, 1), new(1, 1, 0, Columns)];

    public static TheoryData<string, ScalarType> Kernels => new()
    {
        { nameof(PackedAttention), ScalarType.Float32 },
        { nameof(PackedAttention), ScalarType.BFloat16 },
        { nameof(BlockedAttention), ScalarType.Float32 },
        { nameof(BatchedAttention), ScalarType.Float32 },
        { nameof(BatchedAttention), ScalarType.BFloat16 },
        { nameof(TensorAttention), ScalarType.Float32 },
        { nameof(TensorAttention), ScalarType.BFloat16 },
    };

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Each_is_the_formula_of_every_segment(string name, ScalarType type)
    {
        using var scope = NewDisposeScope();
        using var kernel = Make(name, type);
        var wide = new AttentionRows(
            Random(1, type, Shape.Heads),
            Random(2, type, Shape.KeyHeads),
            Random(3, type, Shape.KeyHeads),
            Columns);
        var dOutput = Random(4, type, Shape.Heads);
        var angles = arange(Columns, ScalarType.Float32).unsqueeze(1).mul(tensor(new[] { 1f, 0.7f, 0.5f, 0.3f, 0.2f, 0.1f, 0.05f, 0.01f }));
        var (q, k, v) = (Trained(wide.Queries), Trained(wide.Keys), Trained(wide.Values));
        var expected = Formula(q, k, v, angles.to(ScalarType.Float64));
        autograd.backward([expected], [dOutput.to(ScalarType.Float64)]);

        using var noGrad = no_grad();
        var output = zeros_like(wide.Queries);
        var gradients = new AttentionRows(zeros_like(wide.Queries), zeros_like(wide.Keys), zeros_like(wide.Values), Columns);
        foreach (var segment in Segments)
            kernel.Forward(kernel.Gather(wide, segment, Of(angles, segment)), output, Columns);
        foreach (var segment in Segments)
            kernel.Backward(kernel.Gather(wide, segment, Of(angles, segment)), Of(angles, segment), output, dOutput, gradients);
        Close(expected, output, type);
        Close(q.grad!, gradients.Queries, type);
        Close(k.grad!, gradients.Keys, type);
        Close(v.grad!, gradients.Values, type);
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

    private static IAttentionKernel Make(string name, ScalarType type)
    {
        var found = name switch
        {
            nameof(PackedAttention) => PackedAttention.Fit(Shape, type),
            nameof(BlockedAttention) => BlockedAttention.Fit(type),
            _ => true,
        };
        Assert.SkipUnless(found, $"SKIPPED: this processor, or libtorch on it, has no kernel for {type}");
        return name switch
        {
            nameof(PackedAttention) => new PackedAttention(Shape, 1),
            nameof(BlockedAttention) => new BlockedAttention(Shape, 1),
            nameof(BatchedAttention) => new BatchedAttention(Shape),
            _ => new TensorAttention(Shape, CPU),
        };
    }

    /// <summary>Attention of float64 rows <c>[T, heads·head_dim]</c>, every head by itself.</summary>
    private static Tensor Formula(Tensor q, Tensor k, Tensor v, Tensor angles)
    {
        // [rows, columns, heads, head_dim]
        var (queries, keys, values) = (Split(q, Shape.Heads), Split(k, Shape.KeyHeads), Split(v, Shape.KeyHeads));
        var rows = new List<Tensor>();
        for (var row = 0; row < Rows; row++)
        {
            var parts = Segments.Where(segment => segment.Row == row).Select(segment => cat(
                [.. Enumerable.Range(0, Shape.Heads).Select(head => Attend(segment, queries, keys, values, head, angles))], 1));
            rows.Add(cat([.. parts], 0));
        }

        return cat([.. rows], 0);
    }

    private static Tensor Attend(Segment segment, Tensor queries, Tensor keys, Tensor values, int head, Tensor angles)
    {
        var (cos, sin) = (angles.narrow(0, 0, segment.Length).cos(), angles.narrow(0, 0, segment.Length).sin());
        var (q, k, v) = (Part(queries, head), Part(keys, head / Shape.Group), Part(values, head / Shape.Group));
        var mask = full([segment.Length, segment.Length], double.NegativeInfinity, ScalarType.Float64).triu(1);
        return Turned(q).matmul(Turned(k).t()).mul(Shape.Scale).add(mask).softmax(-1).matmul(v);

        Tensor Part(Tensor heads, int of) => heads.select(2, of).select(0, segment.Row).narrow(0, segment.Start, segment.Length);

        Tensor Turned(Tensor x)
        {
            var (first, second) = (x.narrow(1, 0, Shape.HeadDim / 2), x.narrow(1, Shape.HeadDim / 2, Shape.HeadDim / 2));
            return cat([first.mul(cos).sub(second.mul(sin)), second.mul(cos).add(first.mul(sin))], 1);
        }
    }

    private static Tensor Split(Tensor rows, int heads) => rows.view(Rows, Columns, heads, Shape.HeadDim);

    private static Angles Of(Tensor angles, Segment segment) =>
        new(angles.narrow(0, 0, segment.Length).cos(), angles.narrow(0, 0, segment.Length).sin());

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
