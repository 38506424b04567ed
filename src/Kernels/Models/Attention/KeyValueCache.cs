using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models.Attention;

/// <summary>
/// Rotated keys and values of the positions one decoder block has seen, <c>[rows, kv heads, positions, head_dim]</c>; grows by doubling.
/// With a window, positions that no later query sees are dropped whenever room is made: it holds a few times the window, however long the
/// text.
/// </summary>
public sealed class KeyValueCache : IDisposable
{
    private Tensor? keys;
    private Tensor? values;
    private int[]? padding;

    /// <summary>Positions seen.</summary>
    public int Length { get; private set; }

    /// <summary>The first of them that is held.</summary>
    public int First { get; private set; }

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
    /// What is added to scores of padded keys, <c>[rows·heads, 1, held positions]</c> fp32: so low that they get no weight, but finite,
    /// since the padded positions themselves see nothing else. Null without padding.
    /// </summary>
    internal Tensor? PaddingScores(int heads, Device device)
    {
        if (padding is null) return null;
        using var scope = NewDisposeScope();
        var starts = tensor(padding.Select(static count => (long)count).ToArray(), int64, device: device).view(-1, 1);
        var padded = arange(Held(First), Held(Length), One, ScalarType.Int64, device: device).view(1, -1).lt(starts);
        return padded.to(ScalarType.Float32).mul_(Held(-1e9f)).repeat_interleave(heads, 0).unsqueeze(1).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        keys?.Dispose();
        values?.Dispose();
        keys = values = null;
        Length = First = 0;
    }

    /// <summary>Appends <c>[rows, kv heads, new, head_dim]</c> and returns views of everything held.</summary>
    /// <param name="newKeys">Keys of the new positions.</param>
    /// <param name="newValues">Their values.</param>
    /// <param name="window">Keys that a query sees, its own among them.</param>
    internal (Tensor Keys, Tensor Values) Append(Tensor newKeys, Tensor newValues, int window = int.MaxValue)
    {
        var (added, held) = ((int)newKeys.shape[2], Length - First);
        // What the first of the new queries sees before itself.
        var kept = Math.Min(held, window - 1);
        // Room for as many again, so that only every so many tokens move what is kept.
        var room = kept < held ? Capacity(2 * (kept + added)) : Capacity(held + added);
        if (keys is null || keys.shape[2] < held + added || (kept < held && keys.shape[2] > 2 * room))
        {
            Move(newKeys, held, kept, room);
            held = kept;
        }

        keys!.narrow(2, held, added).copy_(newKeys);
        values!.narrow(2, held, added).copy_(newValues);
        Length += added;
        return (keys.narrow(2, 0, held + added), values.narrow(2, 0, held + added));
    }

    private static int Capacity(int positions) => Math.Max(64, (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)positions));

    /// <summary>Moves the last positions held to the beginning of room for others.</summary>
    private void Move(Tensor like, int held, int kept, int room)
    {
        var shape = like.shape;
        shape[2] = room;
        var (movedKeys, movedValues) = (zeros(shape, like.dtype, like.device), zeros(shape, like.dtype, like.device));
        if (keys is not null)
        {
            movedKeys.narrow(2, 0, kept).copy_(keys.narrow(2, held - kept, kept));
            movedValues.narrow(2, 0, kept).copy_(values!.narrow(2, held - kept, kept));
        }

        First = Length - kept;
        Replace(movedKeys, movedValues);
    }

    private void Replace(Tensor newKeys, Tensor newValues)
    {
        keys?.Dispose();
        values?.Dispose();
        keys = newKeys.DetachFromDisposeScope();
        values = newValues.DetachFromDisposeScope();
    }
}
