using System.Runtime.CompilerServices;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Fused;

/// <summary>
/// Causal attention as <see cref="AttentionBlocks"/> makes it, in bf16 or fp32, on processors with AVX-512: scores lie in tiles of a block of queries by a block
/// of keys, which the block kernel multiplies with as they are. Scores, sums and results are fp32; probabilities are of the heads' type.
/// </summary>
/// <remarks>
/// Heads are <c>[B, L·group, head_dim]</c> for queries and <c>[B, L, head_dim]</c> for keys and values, B = rows·kv. What is missing of a last block are zeros, so that one
/// set of kernels serves all lengths. Bits do not depend on the number of threads.
/// </remarks>
internal static unsafe class PackedAttention
{
    /// <summary>Positions of a block of queries, and of keys.</summary>
    internal const int Positions = AttentionTiles.Keys;

    private struct Arguments
    {
        internal byte* Queries;
        internal byte* Keys;
        internal byte* Values;
        internal byte* Gradient; // of the output
        internal float* Deltas;
        internal float* Result; // forward: the output; backward: the queries' gradient
        internal float* KeyGradient;
        internal float* ValueGradient;
        internal float* KeyParts;
        internal float* ValueParts;
        internal byte* KeysTurned;
        internal byte* ValuesTurned;
        internal byte* KeysPlain;
        internal byte* ValuesPlain;
        internal byte* Scratch;
        internal long WorkerBytes;
        internal float Scale;
        internal int Batch;
        internal int Length;
        internal int Group;
        internal int HeadDim;
        internal int Blocks;
        internal int Parts;
        internal bool Backward;

        internal readonly int Rows => Positions * Group;

        /// <summary>Elements of a tile of scores.</summary>
        internal readonly nint Tile => (nint)Rows * Positions;

        /// <summary>Elements of a block of keys.</summary>
        internal readonly nint KeyBlock => (nint)Positions * HeadDim;

        /// <summary>Where a part of a head begins, in blocks.</summary>
        internal readonly int Begin(int part) => (int)((long)Blocks * part / Parts);
    }

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

    /// <summary>Whether it can work with these heads.</summary>
    internal static bool Fit(Tensor heads) =>
        (heads.dtype == ScalarType.BFloat16 ? BlockKernel.HasHalf : heads.dtype == ScalarType.Float32 && BlockKernel.HasSingle)
        && heads.device_type == DeviceType.CPU && heads.shape[^1] % Packing.Columns == 0;

    /// <summary>softmax(scale · Q Kᵀ) V over the keys up to each query, fp32 <c>[B, L·group, head_dim]</c>. In the caller's scope.</summary>
    internal static Tensor Forward(Tensor queries, Tensor keys, Tensor values, float scale, int threads)
    {
        var output = empty(queries.shape, ScalarType.Float32);
        var arguments = Of(queries, keys, values, scale);
        arguments.Result = (float*)Fused.Rows.Of(output);
        if (queries.dtype == ScalarType.BFloat16) Forward<HalfElements>(&arguments, threads);
        else Forward<SingleElements>(&arguments, threads);
        return output;
    }

    /// <summary>
    /// Gradients of queries, keys and values, fp32, those of queries and keys still to be multiplied by the scale; δ = ⟨o, do⟩ of each query in
    /// <paramref name="deltas"/>. In the caller's scope.
    /// </summary>
    internal static (Tensor Queries, Tensor Keys, Tensor Values) Backward(Tensor queries, Tensor keys, Tensor values, Tensor dOutput, Tensor deltas, float scale, int threads)
    {
        var (dQueries, dKeys, dValues) = (empty(queries.shape, ScalarType.Float32), empty(keys.shape, ScalarType.Float32), empty(values.shape, ScalarType.Float32));
        var arguments = Of(queries, keys, values, scale);
        arguments.Backward = true;
        arguments.Gradient = Fused.Rows.Of(dOutput);
        arguments.Deltas = (float*)Fused.Rows.Of(deltas);
        arguments.Result = (float*)Fused.Rows.Of(dQueries);
        arguments.KeyGradient = (float*)Fused.Rows.Of(dKeys);
        arguments.ValueGradient = (float*)Fused.Rows.Of(dValues);
        if (queries.dtype == ScalarType.BFloat16) Backward<HalfElements>(&arguments, threads);
        else Backward<SingleElements>(&arguments, threads);
        return (dQueries, dKeys, dValues);
    }

    private static Arguments Of(Tensor queries, Tensor keys, Tensor values, float scale)
    {
        var (batch, length) = ((int)keys.shape[0], (int)keys.shape[1]);
        var blocks = (length + Positions - 1) / Positions;
        return new Arguments
        {
            Queries = Fused.Rows.Of(queries),
            Keys = Fused.Rows.Of(keys),
            Values = Fused.Rows.Of(values),
            Scale = scale,
            Batch = batch,
            Length = length,
            Group = (int)(queries.shape[1] / length),
            HeadDim = (int)keys.shape[2],
            Blocks = blocks,
            Parts = AttentionBlocks.PartsOf(batch, blocks),
        };
    }

    private static void Forward<T>(Arguments* a, int threads) where T : struct, IPackedElements
    {
        var bytes = a->Batch * a->Blocks * a->KeyBlock * T.Size;
        using var packed = empty([2, bytes], ScalarType.Byte);
        a->KeysTurned = Fused.Rows.Of(packed);
        a->ValuesPlain = a->KeysTurned + bytes;
        TorchThreads.RunUnits(a->Batch * a->Blocks, &Pack<T>, a, threads);
        using var scratch = Scratch(a, T.Size, threads);
        TorchThreads.RunUnits(a->Batch * a->Blocks, &ForwardUnit<T>, a, threads);
    }

    private static void Backward<T>(Arguments* a, int threads) where T : struct, IPackedElements
    {
        var bytes = a->Batch * a->Blocks * a->KeyBlock * T.Size;
        using var packed = empty([3, bytes], ScalarType.Byte);
        a->KeysTurned = Fused.Rows.Of(packed);
        a->ValuesTurned = a->KeysTurned + bytes;
        a->KeysPlain = a->ValuesTurned + bytes;
        TorchThreads.RunUnits(a->Batch * a->Blocks, &Pack<T>, a, threads);
        using var scratch = Scratch(a, T.Size, threads);
        using var parts = empty([2, PartOffset(a, a->Parts)], ScalarType.Float32);
        a->KeyParts = (float*)Fused.Rows.Of(parts);
        a->ValueParts = a->KeyParts + parts.shape[1];
        TorchThreads.RunUnits(a->Batch * a->Parts, &BackwardUnit<T>, a, threads);
        TorchThreads.Run(a->Batch * a->Length, 2L * a->Parts * a->HeadDim, &AddParts, a, threads);
    }

    private static Tensor Scratch(Arguments* a, int size, int threads)
    {
        a->WorkerBytes = Workspace.Place(a, size, null, out _);
        var scratch = empty([threads, a->WorkerBytes], ScalarType.Byte);
        a->Scratch = Fused.Rows.Of(scratch);
        return scratch;
    }

    /// <summary>Where a part's sums begin.</summary>
    private static long PartOffset(Arguments* a, int part)
    {
        var offset = 0L;
        for (var i = 0; i < part; i++) offset += a->Batch * a->Begin(i + 1) * a->KeyBlock;
        return offset;
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

    /// <summary>Rows where they lie, or, where there are fewer than there should be, copied to <paramref name="room"/> with zeros behind them.</summary>
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
        Probabilities<T>(a, &w, Whole<T>(a->Queries + (row * a->HeadDim * T.Size), rows, a->Rows, a->HeadDim, w.Queries), head, block, rows);
        var result = a->Result + (row * a->HeadDim);
        var sums = rows == a->Rows ? result : w.Sums;
        for (var key = 0; key <= block; key++)
            T.Multiply(a->Rows, a->HeadDim, Positions, w.Probabilities + (key * a->Tile * T.Size), Positions, (uint*)(a->ValuesPlain + KeyOffset<T>(a, head, key)), sums, add: key > 0);
        if (sums != result) Unsafe.CopyBlockUnaligned(result, sums, (uint)(rows * a->HeadDim * sizeof(float)));
    }

    private static nint KeyOffset<T>(Arguments* a, int head, int block) where T : struct, IPackedElements => (((nint)head * a->Blocks) + block) * a->KeyBlock * T.Size;

    private static void Probabilities<T>(Arguments* a, Workspace* w, byte* queries, int head, int block, int rows) where T : struct, IPackedElements
    {
        for (var key = 0; key <= block; key++)
            T.Multiply(a->Rows, Positions, a->HeadDim, queries, a->HeadDim, (uint*)(a->KeysTurned + KeyOffset<T>(a, head, key)), w->Scores + (key * a->Tile), add: false);
        AttentionTiles.Softmax<T>(w->Scores, w->Probabilities, rows, a->Rows, block, a->Group, a->Scale);
    }

    /// <summary>One part of one head; the last parts first, and in each the last block first: it sees all keys that the part sees.</summary>
    private static void BackwardUnit<T>(void* pointer, int unit, int worker) where T : struct, IPackedElements
    {
        var a = (Arguments*)pointer;
        var (head, part) = (unit % a->Batch, a->Parts - 1 - (unit / a->Batch));
        Workspace.Place(a, T.Size, a->Scratch + (worker * a->WorkerBytes), out var w);
        var begin = (nint)PartOffset(a, part) + (head * a->Begin(part + 1) * a->KeyBlock);
        var keySums = a->KeyParts + begin;
        var valueSums = a->ValueParts + begin;
        for (var block = a->Begin(part + 1) - 1; block >= a->Begin(part); block--)
        {
            var row = (((nint)head * a->Length) + (block * Positions)) * a->Group;
            var rows = Math.Min(Positions, a->Length - (block * Positions)) * a->Group;
            var again = block < a->Begin(part + 1) - 1;
            var queries = Whole<T>(a->Queries + (row * a->HeadDim * T.Size), rows, a->Rows, a->HeadDim, w.Queries);
            var gradient = Whole<T>(a->Gradient + (row * a->HeadDim * T.Size), rows, a->Rows, a->HeadDim, w.Gradient);
            Probabilities<T>(a, &w, queries, head, block, rows);
            T.Plain(queries, a->HeadDim, a->Rows, a->HeadDim, w.QueryWords, a->Rows);
            T.Plain(gradient, a->HeadDim, a->Rows, a->HeadDim, w.GradientWords, a->Rows);
            var result = a->Result + (row * a->HeadDim);
            var sums = rows == a->Rows ? result : w.Sums;
            for (var key = 0; key <= block; key++)
            {
                var probabilities = w.Probabilities + (key * a->Tile * T.Size);
                var offset = KeyOffset<T>(a, head, key);
                AttentionTiles.Turn<T>(probabilities, a->Rows, w.Turned);
                T.Multiply(Positions, a->HeadDim, a->Rows, w.Turned, a->Rows, w.GradientWords, valueSums + (key * a->KeyBlock), again);
                T.Multiply(a->Rows, Positions, a->HeadDim, gradient, a->HeadDim, (uint*)(a->ValuesTurned + offset), w.Tile, add: false);
                AttentionTiles.Differentiate<T>(w.Tile, probabilities, w.TileGradient, rows, a->Rows, a->Deltas + row);
                T.Multiply(a->Rows, a->HeadDim, Positions, w.TileGradient, Positions, (uint*)(a->KeysPlain + offset), sums, add: key > 0);
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
                if (key >= reach) continue;
                var source = (nint)PartOffset(a, part) + ((((nint)head * reach) + key) * a->HeadDim);
                AttentionTiles.Add(a->KeyParts + source, a->KeyGradient + ((nint)row * a->HeadDim), a->HeadDim, first);
                AttentionTiles.Add(a->ValueParts + source, a->ValueGradient + ((nint)row * a->HeadDim), a->HeadDim, first);
                first = false;
            }
        }
    }
}
