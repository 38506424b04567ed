using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models.Attention;

/// <summary>
/// Rotated keys and values of the positions one decoder block has seen, <c>[rows, kv heads, positions, head_dim]</c>; grows by doubling.
/// </summary>
public sealed class KeyValueCache : IDisposable
{
    private Tensor? keys;
    private Tensor? values;
    private int[]? padding;

    /// <summary>Positions held.</summary>
    public int Length { get; private set; }

    /// <summary>Rows held; 0 before the first append.</summary>
    public int Rows => (int)(keys?.shape[0] ?? 0);

    /// <summary>Bytes allocated.</summary>
    public long Bytes => keys is null ? 0 : 2 * keys.numel() * keys.element_size();

    /// <summary>Keeps only these rows, in this order: finished sequences leave the batch.</summary>
    public void KeepRows(IReadOnlyList<int> rows)
    {
        if (keys is null) return;
        using var scope = NewDisposeScope();
        var index = tensor(rows.Select(static row => (long)row).ToArray(), int64, device: keys.device);
        Replace(keys.index_select(0, index), values!.index_select(0, index));
        if (padding is not null) padding = [.. rows.Select(row => padding[row])];
    }

    /// <summary>Tells how many positions at the start of each row are only padding; before the first append.</summary>
    public void Pad(IReadOnlyList<int> perRow) => padding = perRow.All(static count => count == 0) ? null : [.. perRow];

    /// <summary>
    /// What is added to scores of padded keys, <c>[rows·heads, 1, positions]</c> fp32: so low that they get no weight, but finite, since
    /// the padded positions themselves see nothing else. Null without padding.
    /// </summary>
    internal Tensor? PaddingScores(int heads, int positions, Device device)
    {
        if (padding is null) return null;
        using var scope = NewDisposeScope();
        var starts = tensor(padding.Select(static count => (long)count).ToArray(), int64, device: device).view(-1, 1);
        var padded = arange(Held(0), Held(positions), One, ScalarType.Int64, device: device).view(1, -1).lt(starts);
        return padded.to(ScalarType.Float32).mul_(Held(-1e9f)).repeat_interleave(heads, 0).unsqueeze(1).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        keys?.Dispose();
        values?.Dispose();
        keys = values = null;
        Length = 0;
    }

    /// <summary>Appends <c>[rows, kv heads, new, head_dim]</c> and returns views of everything held.</summary>
    internal (Tensor Keys, Tensor Values) Append(Tensor newKeys, Tensor newValues)
    {
        var added = (int)newKeys.shape[2];
        if (keys is null || keys.shape[2] < Length + added)
        {
            var shape = newKeys.shape;
            shape[2] = Math.Max(64, System.Numerics.BitOperations.RoundUpToPowerOf2((uint)(Length + added)));
            var (grownKeys, grownValues) = (zeros(shape, newKeys.dtype, newKeys.device), zeros(shape, newKeys.dtype, newKeys.device));
            if (keys is not null)
            {
                grownKeys.narrow(2, 0, Length).copy_(keys.narrow(2, 0, Length));
                grownValues.narrow(2, 0, Length).copy_(values!.narrow(2, 0, Length));
            }

            Replace(grownKeys, grownValues);
        }

        keys!.narrow(2, Length, added).copy_(newKeys);
        values!.narrow(2, Length, added).copy_(newValues);
        Length += added;
        return (keys.narrow(2, 0, Length), values.narrow(2, 0, Length));
    }

    private void Replace(Tensor newKeys, Tensor newValues)
    {
        keys?.Dispose();
        values?.Dispose();
        keys = newKeys.DetachFromDisposeScope();
        values = newValues.DetachFromDisposeScope();
    }
}
