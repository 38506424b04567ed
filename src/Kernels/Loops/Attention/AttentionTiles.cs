using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Orleans.Kernels.Loops.Products;

namespace Peft.Orleans.Kernels.Loops.Attention;

/// <summary>
/// What <see cref="PackedAttention"/> does between its products, on one thread: scores of a block of queries lie in tiles
/// <c>[rows, 64]</c>, one for each block of keys from <c>from</c> to the queries' own; row i is a query at position <c>i / group</c> of its
/// block.
/// </summary>
internal static unsafe class AttentionTiles
{
    internal const int Keys = 64;

    private const int Step = MatrixPacking.Columns;

    /// <summary>
    /// Turns scores into the probabilities of softmax(scale · scores − slope · distance), zero beyond the keys seen; the tiles of both are
    /// <paramref name="height"/> rows high, those from <paramref name="rows"/> on get zeros. Scores are overwritten, also where they are
    /// not the probabilities themselves.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Softmax<T>(
        float* scores,
        byte* probabilities,
        int rows,
        int height,
        int head,
        int from,
        int block,
        in ScoreRule rule)
        where T : struct, IPackedElements
    {
        var tile = (nint)height * Keys;
        var wideScale = Vector512.Create(rule.Scale);
        for (var row = 0; row < rows; row++)
        {
            var own = row / rule.Group;
            var first = scores + (from * tile) + (row * Keys);
            var diagonal = scores + (block * tile) + (row * Keys);
            var before = rule.FirstSeen((block * Keys) + own) - (from * Keys);
            if (before > 0) Fill(first, tile, before, float.NegativeInfinity);
            if (rule.IsBiased) Bias(first, diagonal, tile, own, rule.Slope(head, row) / rule.Scale);
            var largest = Vector512.Create(float.NegativeInfinity);
            for (var at = first; at < diagonal; at += tile)
            {
                for (var i = 0; i < Keys; i += Step) largest = Vector512.MaxNative(largest, Vector512.Load(at + i));
            }

            for (var i = 0; i <= own; i += Step)
            {
                var scored = Vector512.Load(diagonal + i);
                var seen = Vector512.ConditionalSelect(UpTo(own - i), scored, Vector512.Create(float.NegativeInfinity));
                largest = Vector512.MaxNative(largest, seen);
            }

            var shift = Vector512.Create(Lanes.Max(Vector256.MaxNative(largest.GetLower(), largest.GetUpper())) * rule.Scale);
            var sum = Vector512<float>.Zero;
            for (var at = first; at < diagonal; at += tile)
            {
                for (var i = 0; i < Keys; i += Step)
                {
                    var e = Lanes.Exp((Vector512.Load(at + i) * wideScale) - shift);
                    e.Store(at + i);
                    sum += e;
                }
            }

            for (var i = 0; i < Keys; i += Step)
            {
                var e = i <= own ? Lanes.Exp((Vector512.Load(diagonal + i) * wideScale) - shift) & UpTo(own - i) : Vector512<float>.Zero;
                e.Store(diagonal + i);
                sum += e;
            }

            var factor = Vector512.Create(1 / Lanes.Sum(sum.GetLower() + sum.GetUpper()));
            var to = probabilities + (((from * tile) + (row * Keys)) * T.Size);
            for (var at = first; at <= diagonal; at += tile, to += tile * T.Size)
            {
                if (before > 0) Fill(at, tile, Math.Min(before - (int)((at - first) / tile * Keys), Keys), 0);
                for (var i = 0; i < Keys; i += Step) T.Store(to, i, Vector512.Load(at + i) * factor);
            }
        }

        for (var key = from; key <= block && rows < height; key++)
            new Span<byte>(probabilities + (((key * tile) + (rows * Keys)) * T.Size), (height - rows) * Keys * T.Size).Clear();
    }

    /// <summary>Writes a value over the first <paramref name="count"/> keys of a row.</summary>
    private static void Fill(float* row, nint tile, int count, float value)
    {
        for (; count > 0; count -= Keys, row += tile) new Span<float>(row, Math.Min(count, Keys)).Fill(value);
    }

    /// <summary>
    /// Takes from a row's scores, not scaled yet, the slope with each position up to the query, which is key <paramref name="own"/> of the
    /// last tile.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Bias(float* row, float* last, nint tile, int own, float slope)
    {
        var wide = Vector512.Create(slope);
        var distance = Vector512.ConvertToSingle(Vector512<int>.Indices - Vector512.Create((int)((last - row) / tile * Keys) + own));
        for (; row <= last; row += tile)
        {
            for (var i = 0; i < Keys; i += Step, distance += Vector512.Create((float)Step))
                Vector512.FusedMultiplyAdd(distance, wide, Vector512.Load(row + i)).Store(row + i);
        }
    }

    /// <summary>
    /// The gradient of scaled scores, <c>P ⊙ (dL/dP − δ)</c>, of one tile; δ of row i at <c>deltas[i]</c>, zeros from
    /// <paramref name="rows"/> on.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Differentiate<T>(float* gradient, byte* probabilities, byte* result, int rows, int height, float* deltas)
        where T : struct, IPackedElements
    {
        for (var row = 0; row < rows; row++)
        {
            var delta = Vector512.Create(deltas[row]);
            var offset = (nint)row * Keys;
            for (var i = 0; i < Keys; i += Step)
            {
                var p = T.Load(probabilities + (offset * T.Size), i);
                T.Store(result + (offset * T.Size), i, p * (Vector512.Load(gradient + offset + i) - delta));
            }
        }

        if (rows < height) new Span<byte>(result + ((nint)rows * Keys * T.Size), (height - rows) * Keys * T.Size).Clear();
    }

    /// <summary>A tile <c>[height, 64]</c> transposed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Turn<T>(byte* tile, int height, byte* to) where T : struct, IPackedElements
    {
        var room = stackalloc uint[Step * Step];
        for (var key = 0; key < Keys; key += Step)
        {
            for (var row = 0; row < height; row += Step)
                T.Turn(tile + ((((nint)row * Keys) + key) * T.Size), Keys, to + ((((nint)key * height) + row) * T.Size), height, room);
        }
    }

    /// <summary>Adds a row to another, or copies it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Add(float* row, float* to, int count, bool copy)
    {
        for (var i = 0; i < count; i += Step)
            (copy ? Vector512.Load(row + i) : Vector512.Load(to + i) + Vector512.Load(row + i)).Store(to + i);
    }

    /// <summary>All bits set in lanes 0 to <paramref name="last"/>, none after them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> UpTo(int last) => Vector512.LessThanOrEqual(Vector512<int>.Indices, Vector512.Create(last)).AsSingle();
}
