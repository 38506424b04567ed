using Peft.Orleans.Kernels.Models.Norms;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models.Attention;

/// <summary>
/// The norm of each head's query, or key, before it is turned: one weight <c>[head_dim]</c> for all heads. Rows are
/// <c>[T, heads·head_dim]</c>; what a norm over <c>[T·heads, head_dim]</c> does, without moving them.
/// </summary>
/// <param name="norm">The norm.</param>
/// <param name="headDim">Elements of a head.</param>
internal sealed class HeadNorm(Norm norm, int headDim)
{
    /// <summary>Its weights, in the order of the layer's buffers.</summary>
    internal IReadOnlyList<BaseTensor> Tensors => norm.Tensors;

    /// <summary>
    /// The rows with each head normalised, in the caller's scope. The rows as they were are handed to <paramref name="saved"/> with
    /// <paramref name="keep"/>, else disposed of.
    /// </summary>
    internal Tensor Forward(LayerVersion version, Tensor rows, HeadRows? saved, bool keep)
    {
        using var scope = NewDisposeScope();
        var (statistics, heads) = norm.Forward(version, Heads(rows));
        var result = heads.view(rows.shape).MoveToOuterDisposeScope();
        if (saved is not null) saved.Statistics = statistics.DetachFromDisposeScope();
        if (saved is not null && keep) saved.Rows = rows.DetachFromDisposeScope();
        else rows.Dispose();
        return result;
    }

    /// <summary>The normalised rows, again. In the caller's scope.</summary>
    internal Tensor Apply(LayerVersion version, Tensor rows, HeadRows saved)
    {
        using var scope = NewDisposeScope();
        return norm.Apply(version, Heads(rows), saved.Statistics!).view(rows.shape).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The gradient of <paramref name="rows"/> before the norm, from that behind it, which is disposed of; adds the weight's to
    /// <paramref name="gradient"/>, the layer's flat buffer. In the caller's scope.
    /// </summary>
    internal Tensor Backward(LayerVersion version, Tensor dRows, Tensor rows, HeadRows saved, Tensor? gradient)
    {
        using var scope = NewDisposeScope();
        var before = norm.Backward(version, Heads(dRows), Heads(rows), saved.Statistics!, gradient);
        dRows.Dispose();
        return before.view(rows.shape).MoveToOuterDisposeScope();
    }

    private Tensor Heads(Tensor rows) => rows.view(-1, headDim);
}

/// <summary>What a <see cref="HeadNorm"/> leaves for the backward pass; whoever keeps it disposes of both.</summary>
internal sealed class HeadRows
{
    /// <summary>Rows before the norm; null where they are made again.</summary>
    internal Tensor? Rows { get; set; }

    /// <summary>Statistics <c>[T·heads, ·]</c>.</summary>
    internal Tensor? Statistics { get; set; }
}
