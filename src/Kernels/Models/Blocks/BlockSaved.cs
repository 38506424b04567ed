using Peft.Orleans.Core.Batches;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Loops.Attention;
using Peft.Orleans.Kernels.Models.Attention;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models.Blocks;

/// <summary>
/// What a decoder block keeps of a microbatch: its input always; with <see cref="Full"/> also what the backward pass reads. Normalised rows
/// and the MLP's product are made again from these, they cost two passes over memory; of a rotated output of module
/// <paramref name="productAgain"/> the base product.
/// </summary>
internal sealed class BlockSaved(Tensor x, BatchShape batch, LinearPass pass, int linears, int productAgain) : ISavedActivations
{
    /// <summary>Input rows <c>[T, hidden]</c>: another handle to the caller's tensor.</summary>
    internal Tensor X { get; } = x;

    internal BatchShape Batch => batch;

    internal LinearPass Pass => pass;

    /// <summary>Whether the backward pass finds everything it reads; else the forward pass is run again.</summary>
    internal bool Full { get; set; }

    internal List<SegmentHeads> Segments { get; } = [];

    internal LinearSaved[] Linears { get; } =
    [.. Enumerable.Range(0, linears).Select(index => new LinearSaved { KeepsBaseOutput = index != productAgain })];

    /// <summary>The first norm's statistics of the input rows.</summary>
    internal Tensor? InputStatistics { get; set; }

    /// <summary>What the norm of queries leaves, where there is one.</summary>
    internal HeadRows Queries { get; } = new();

    /// <summary>What the norm of keys leaves, where there is one.</summary>
    internal HeadRows Keys { get; } = new();

    /// <summary>Attention's output <c>[T, heads·head_dim]</c>.</summary>
    internal Tensor? Attended { get; set; }

    /// <summary>Rows after attention <c>[T, hidden]</c>.</summary>
    internal Tensor? Middle { get; set; }

    /// <summary>The second norm's statistics of <see cref="Middle"/>.</summary>
    internal Tensor? MiddleStatistics { get; set; }

    /// <summary>gate_proj's output, where the method does not make it again.</summary>
    internal Tensor? Gate { get; set; }

    /// <summary>up_proj's output, likewise.</summary>
    internal Tensor? Up { get; set; }

    public long Bytes => Tensors().Sum(static tensor => tensor is null ? 0 : tensor.numel() * tensor.element_size())
        + Segments.Sum(static segment => segment.Bytes) + Linears.Sum(static linear => linear.Bytes);

    /// <summary>A tensor that outlives the scope it was made in.</summary>
    internal static Tensor Keep(Tensor value) => value.DetachFromDisposeScope();

    public void Dispose()
    {
        foreach (var tensor in Tensors()) tensor?.Dispose();
        foreach (var segment in Segments) segment.Dispose();
        foreach (var linear in Linears) linear.Dispose();
        Segments.Clear();
    }

    private IEnumerable<Tensor?> Tensors() =>
    [
        X, InputStatistics, Queries.Rows, Queries.Statistics, Keys.Rows, Keys.Statistics, Attended, Middle, MiddleStatistics, Gate, Up,
    ];
}
