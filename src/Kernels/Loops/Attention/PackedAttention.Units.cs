using System.Runtime.CompilerServices;
using Peft.Orleans.Kernels.Loops.Products;

namespace Peft.Orleans.Kernels.Loops.Attention;

/// <content>What one thread does: blocks of keys arranged, blocks of queries forward, parts of heads backward.</content>
internal sealed unsafe partial class PackedAttention
{
    /// <summary>A thread's own memory.</summary>
    private struct Workspace
    {
        internal float* Scores;
        internal byte* Probabilities;
        internal byte* Queries;
        internal byte* Gradient;
        internal float* Sums;
        internal float* Tile;
        internal byte* TileGradient;
        internal byte* Turned;
        internal uint* QueryWords;
        internal uint* GradientWords;

        /// <summary>Divides memory from <paramref name="at"/> on; returns how many bytes it takes.</summary>
        internal static long Place(Arguments* a, int size, byte* at, out Workspace w)
        {
            var begin = at;
            var elements = a->Tile * a->Blocks;
            w.Scores = (float*)Take(ref at, elements * sizeof(float));
            // fp32 probabilities take the scores' place.
            w.Probabilities = size == sizeof(float) ? (byte*)w.Scores : Take(ref at, elements * size);
            var rows = (nint)a->Rows * a->HeadDim;
            w.Queries = Take(ref at, rows * size);
            w.Sums = (float*)Take(ref at, rows * sizeof(float));
            var more = a->Backward ? 1 : 0;
            w.Gradient = Take(ref at, more * rows * size);
            w.Tile = (float*)Take(ref at, more * a->Tile * sizeof(float));
            w.TileGradient = Take(ref at, more * a->Tile * size);
            w.Turned = Take(ref at, more * a->Tile * size);
            w.QueryWords = (uint*)Take(ref at, more * rows * size);
            w.GradientWords = (uint*)Take(ref at, more * rows * size);
            return at - begin;
        }

        private static byte* Take(ref byte* at, nint bytes)
        {
            const int line = 64;
            var taken = at;
            at += (bytes + line - 1) / line * line;
            return taken;
        }
    }

    /// <summary>One block of keys and values of one head, as the products want them.</summary>
    private static void Pack<T>(void* pointer, int unit, int worker) where T : struct, IPackedElements
    {
        var a = (Arguments*)pointer;
        var (head, block) = (unit / a->Blocks, unit % a->Blocks);
        var room = stackalloc byte[(int)a->KeyBlock * T.Size];
        var from = (((nint)head * a->Length) + (block * Positions)) * a->HeadDim * T.Size;
        var to = unit * a->KeyBlock * T.Size;
        var count = Math.Min(Positions, a->Length - (block * Positions));
        var keys = Whole<T>(a->Keys + from, count, Positions, a->HeadDim, room);
        T.Transposed(keys, a->HeadDim, a->HeadDim, Positions, (uint*)(a->KeysTurned + to));
        if (a->Backward) T.Plain(keys, a->HeadDim, Positions, a->HeadDim, (uint*)(a->KeysPlain + to), Positions);
        var values = Whole<T>(a->Values + from, count, Positions, a->HeadDim, room);
        if (a->Backward) T.Transposed(values, a->HeadDim, a->HeadDim, Positions, (uint*)(a->ValuesTurned + to));
        else T.Plain(values, a->HeadDim, Positions, a->HeadDim, (uint*)(a->ValuesPlain + to), Positions);
    }

    /// <summary>
    /// Rows where they lie, or, where there are fewer than there should be, copied to <paramref name="room"/> with zeros behind them.
    /// </summary>
    private static byte* Whole<T>(byte* rows, int count, int whole, int width, byte* room) where T : struct, IPackedElements
    {
        if (count == whole) return rows;
        Unsafe.CopyBlockUnaligned(room, rows, (uint)(count * width * T.Size));
        new Span<byte>(room + (count * width * T.Size), (whole - count) * width * T.Size).Clear();
        return room;
    }

    /// <summary>One block of one head; the last blocks, which see most, first.</summary>
    private static void ForwardUnit<T>(void* pointer, int unit, int worker) where T : struct, IPackedElements
    {
        var a = (Arguments*)pointer;
        var (head, block) = (unit % a->Batch, a->Blocks - 1 - (unit / a->Batch));
        Workspace.Place(a, T.Size, a->Scratch + (worker * a->WorkerBytes), out var w);
        var row = (((nint)head * a->Length) + (block * Positions)) * a->Group;
        var rows = Math.Min(Positions, a->Length - (block * Positions)) * a->Group;
        var queries = Whole<T>(a->Queries + (row * a->HeadDim * T.Size), rows, a->Rows, a->HeadDim, w.Queries);
        Probabilities<T>(a, &w, queries, head, block, rows);
        var result = a->Result + (row * a->HeadDim);
        var sums = rows == a->Rows ? result : w.Sums;
        var from = a->FirstSeen(block);
        for (var key = from; key <= block; key++)
        {
            var values = (uint*)(a->ValuesPlain + KeyOffset<T>(a, head, key));
            var probabilities = w.Probabilities + (key * a->Tile * T.Size);
            T.Multiply(a->Rows, a->HeadDim, Positions, probabilities, Positions, values, sums, add: key > from);
        }

        if (sums != result) Unsafe.CopyBlockUnaligned(result, sums, (uint)(rows * a->HeadDim * sizeof(float)));
    }

    private static nint KeyOffset<T>(Arguments* a, int head, int block) where T : struct, IPackedElements =>
        (((nint)head * a->Blocks) + block) * a->KeyBlock * T.Size;

    private static void Probabilities<T>(Arguments* a, Workspace* w, byte* queries, int head, int block, int rows)
        where T : struct, IPackedElements
    {
        var from = a->FirstSeen(block);
        for (var key = from; key <= block; key++)
        {
            var keys = (uint*)(a->KeysTurned + KeyOffset<T>(a, head, key));
            T.Multiply(a->Rows, Positions, a->HeadDim, queries, a->HeadDim, keys, w->Scores + (key * a->Tile), add: false);
        }

        AttentionTiles.Softmax<T>(w->Scores, w->Probabilities, rows, a->Rows, head, from, block, a->Rule);
    }

    /// <summary>
    /// One part of one head; the last parts first, and in each the last block first: it sees all keys that the part sees, where no window
    /// ends before them.
    /// </summary>
    private static void BackwardUnit<T>(void* pointer, int unit, int worker) where T : struct, IPackedElements
    {
        var a = (Arguments*)pointer;
        var (head, part) = (unit % a->Batch, a->Parts - 1 - (unit / a->Batch));
        Workspace.Place(a, T.Size, a->Scratch + (worker * a->WorkerBytes), out var w);
        var begin = (nint)PartOffset(a, part) + (head * a->Begin(part + 1) * a->KeyBlock);
        var keySums = a->KeyParts + begin;
        var valueSums = a->ValueParts + begin;
        if (a->Rule.IsWindowed)
        {
            var (seen, all) = (a->FirstSeen(a->Begin(part)) * a->KeyBlock, a->Begin(part + 1) * a->KeyBlock);
            new Span<float>(keySums + seen, (int)(all - seen)).Clear();
            new Span<float>(valueSums + seen, (int)(all - seen)).Clear();
        }

        for (var block = a->Begin(part + 1) - 1; block >= a->Begin(part); block--)
        {
            var row = (((nint)head * a->Length) + (block * Positions)) * a->Group;
            var rows = Math.Min(Positions, a->Length - (block * Positions)) * a->Group;
            var again = a->Rule.IsWindowed || block < a->Begin(part + 1) - 1;
            var queries = Whole<T>(a->Queries + (row * a->HeadDim * T.Size), rows, a->Rows, a->HeadDim, w.Queries);
            var gradient = Whole<T>(a->Gradient + (row * a->HeadDim * T.Size), rows, a->Rows, a->HeadDim, w.Gradient);
            Probabilities<T>(a, &w, queries, head, block, rows);
            T.Plain(queries, a->HeadDim, a->Rows, a->HeadDim, w.QueryWords, a->Rows);
            T.Plain(gradient, a->HeadDim, a->Rows, a->HeadDim, w.GradientWords, a->Rows);
            var result = a->Result + (row * a->HeadDim);
            var sums = rows == a->Rows ? result : w.Sums;
            var from = a->FirstSeen(block);
            for (var key = from; key <= block; key++)
            {
                var probabilities = w.Probabilities + (key * a->Tile * T.Size);
                var offset = KeyOffset<T>(a, head, key);
                AttentionTiles.Turn<T>(probabilities, a->Rows, w.Turned);
                T.Multiply(Positions, a->HeadDim, a->Rows, w.Turned, a->Rows, w.GradientWords, valueSums + (key * a->KeyBlock), again);
                T.Multiply(a->Rows, Positions, a->HeadDim, gradient, a->HeadDim, (uint*)(a->ValuesTurned + offset), w.Tile, add: false);
                AttentionTiles.Differentiate<T>(w.Tile, probabilities, w.TileGradient, rows, a->Rows, a->Deltas + row);
                var keys = (uint*)(a->KeysPlain + offset);
                T.Multiply(a->Rows, a->HeadDim, Positions, w.TileGradient, Positions, keys, sums, add: key > from);
                AttentionTiles.Turn<T>(w.TileGradient, a->Rows, w.Turned);
                T.Multiply(Positions, a->HeadDim, a->Rows, w.Turned, a->Rows, w.QueryWords, keySums + (key * a->KeyBlock), again);
            }

            if (sums != result) Unsafe.CopyBlockUnaligned(result, sums, (uint)(rows * a->HeadDim * sizeof(float)));
        }
    }

    /// <summary>Adds up the parts of heads, for keys [from, to) of all heads.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddParts(void* pointer, int from, int to)
    {
        var a = (Arguments*)pointer;
        for (var row = from; row < to; row++)
        {
            var (head, key) = (row / a->Length, row % a->Length);
            var first = true;
            for (var part = 0; part < a->Parts; part++)
            {
                var reach = a->Begin(part + 1) * Positions;
                if (key >= reach || key < a->FirstSeen(a->Begin(part)) * Positions) continue;
                var source = (nint)PartOffset(a, part) + ((((nint)head * reach) + key) * a->HeadDim);
                AttentionTiles.Add(a->KeyParts + source, a->KeyGradient + ((nint)row * a->HeadDim), a->HeadDim, first);
                AttentionTiles.Add(a->ValueParts + source, a->ValueGradient + ((nint)row * a->HeadDim), a->HeadDim, first);
                first = false;
            }
        }
    }
}
