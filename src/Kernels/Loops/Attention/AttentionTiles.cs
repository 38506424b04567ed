using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Orleans.Kernels.Loops.Products;

namespace Peft.Orleans.Kernels.Loops.Attention;

/// <summary>
/// What <see cref="PackedAttention"/> does between its products, on one thread: scores of a block of queries lie in tiles
/// <c>[rows, 64]</c>, one for each block of keys; row i is a query at position <c>i / group</c> of its block, and sees all keys before
/// that, in the last tile the keys up to itself.
/// </summary>
internal static unsafe class AttentionTiles
{
    internal const int Keys = 64;

    private const int Step = MatrixPacking.Columns;

    /// <summary>
    /// Turns scores into the probabilities of softmax(scale · scores), zero beyond the keys seen; the tiles of both are
    /// <paramref name="height"/> rows high, those from <paramref name="rows"/> on get zeros. Scores are overwritten, also where they are
    /// not the probabilities themselves.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Softmax<T>(float* scores, byte* probabilities, int rows, int height, int block, int group, float scale)
        where T : struct, IPackedElements
    {
        var tile = (nint)height * Keys;
        var wideScale = Vector512.Create(scale);
        for (var row = 0; row < rows; row++)
        {
            var own = row / group;
            var first = scores + (row * Keys);
            var diagonal = first + (block * tile);
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

            var shift = Vector512.Create(Lanes.Max(Vector256.MaxNative(largest.GetLower(), largest.GetUpper())) * scale);
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
            var to = probabilities + ((nint)row * Keys * T.Size);
            for (var at = first; at <= diagonal; at += tile, to += tile * T.Size)
            {
                for (var i = 0; i < Keys; i += Step) T.Store(to, i, Vector512.Load(at + i) * factor);
            }
        }

        for (var key = 0; key <= block && rows < height; key++)
            new Span<byte>(probabilities + (((key * tile) + (rows * Keys)) * T.Size), (height - rows) * Keys * T.Size).Clear();
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
