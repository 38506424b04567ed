using System.Runtime.CompilerServices;
using Peft.Orleans.Kernels.Loops.Products;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Loops.Attention;

/// <summary>
/// Causal attention in fp32, a block of queries of one key head after the other: a thread makes the block's scores, their softmax and the products
/// with them in memory of its own, which stays in its cache, while the others do the same with other blocks. Products over all heads at once
/// would have to share three key heads between two threads, and meet after each step.
/// </summary>
/// <remarks>Heads are <c>[B, L·group, head_dim]</c> for queries and <c>[B, L, head_dim]</c> for keys and values, B = rows·kv.</remarks>
internal static unsafe class AttentionBlocks
{
    /// <summary>Positions of a block: scores of a group of queries and their gradients fit a core's own cache up to a thousand keys.</summary>
    internal const int Positions = 64;

    /// <summary>
    /// How many units of work a backward pass wants at least, and how many parts of a head it takes to have them: all parts add to the gradient of
    /// the same keys, so each has a sum of its own. Not as many as there are threads: sums in another order have other bits.
    /// </summary>
    private const int Units = 32, MostParts = 4;

    private struct Arguments
    {
        internal float* Queries;
        internal float* Keys;
        internal float* Values;
        internal float* Output; // forward: the result; backward: its gradient
        internal float* Deltas;
        internal float* QueryGradient;
        internal float* KeyGradient;
        internal float* ValueGradient;
        internal float* KeyParts;
        internal float* ValueParts;
        internal float* Scratch;
        internal float Scale;
        internal int Batch;
        internal int Length;
        internal int Group;
        internal int HeadDim;
        internal int Blocks;
        internal int Parts;

        internal readonly int Rows => Positions * Group;

        /// <summary>Scores of one block, rounded up to whole cache lines.</summary>
        internal readonly long Scores => ((long)Rows * Length + 15) / 16 * 16;

        /// <summary>Where a part of a head begins, in blocks.</summary>
        internal readonly int Begin(int part) => (int)((long)Blocks * part / Parts);

        /// <summary>Keys that a part's queries see.</summary>
        internal readonly int Reach(int part) => Math.Min(Length, Begin(part + 1) * Positions);
    }

    /// <summary>Whether it can work with these heads.</summary>
    internal static bool Fit(Tensor heads) => heads.dtype == ScalarType.Float32 && heads.device_type == DeviceType.CPU && SingleProducts.Found;

    /// <summary>softmax(scale · Q Kᵀ) V over the keys up to each query, <c>[B, L·group, head_dim]</c>. In the caller's scope.</summary>
    internal static Tensor Forward(Tensor queries, Tensor keys, Tensor values, float scale, int threads)
    {
        var output = empty_like(queries);
        var arguments = Of(queries, keys, values, scale);
        arguments.Output = (float*)TensorMemory.Of(output);
        using var scratch = Scratch(ref arguments, threads, 1);
        TorchThreads.RunUnits(arguments.Batch * arguments.Blocks, &Forward, &arguments, threads);
        return output;
    }

    /// <summary>
    /// Gradients of queries, keys and values, those of queries and keys still to be multiplied by the scale; δ = ⟨o, do⟩ of each query in
    /// <paramref name="deltas"/>. In the caller's scope.
    /// </summary>
    internal static (Tensor Queries, Tensor Keys, Tensor Values) Backward(Tensor queries, Tensor keys, Tensor values, Tensor dOutput, Tensor deltas, float scale, int threads)
    {
        var (dQueries, dKeys, dValues) = (empty_like(queries), empty_like(keys), empty_like(values));
        var arguments = Of(queries, keys, values, scale);
        arguments.Output = (float*)TensorMemory.Of(dOutput);
        arguments.Deltas = (float*)TensorMemory.Of(deltas);
        arguments.QueryGradient = (float*)TensorMemory.Of(dQueries);
        arguments.KeyGradient = (float*)TensorMemory.Of(dKeys);
        arguments.ValueGradient = (float*)TensorMemory.Of(dValues);
        using var scratch = Scratch(ref arguments, threads, 2);
        using var parts = empty([2, Math.Max(1, PartOffset(&arguments, arguments.Parts - 1))], ScalarType.Float32);
        arguments.KeyParts = (float*)TensorMemory.Of(parts);
        arguments.ValueParts = arguments.KeyParts + parts.shape[1];
        TorchThreads.RunUnits(arguments.Batch * arguments.Parts, &Backward, &arguments, threads);
        if (arguments.Parts > 1) TorchThreads.Run(arguments.Batch * arguments.Length, 2L * arguments.Parts * arguments.HeadDim, &AddParts, &arguments, threads);
        return (dQueries, dKeys, dValues);
    }

    private static Arguments Of(Tensor queries, Tensor keys, Tensor values, float scale)
    {
        var (batch, length) = ((int)keys.shape[0], (int)keys.shape[1]);
        var blocks = (length + Positions - 1) / Positions;
        return new Arguments
        {
            Queries = (float*)TensorMemory.Of(queries),
            Keys = (float*)TensorMemory.Of(keys),
            Values = (float*)TensorMemory.Of(values),
            Scale = scale,
            Batch = batch,
            Length = length,
            Group = (int)(queries.shape[1] / length),
            HeadDim = (int)keys.shape[2],
            Blocks = blocks,
            Parts = PartsOf(batch, blocks),
        };
    }

    /// <summary>Parts of a head in a backward pass.</summary>
    internal static int PartsOf(int batch, int blocks) => Math.Clamp((Units + batch - 1) / batch, 1, Math.Min(MostParts, blocks));

    private static Tensor Scratch(ref Arguments arguments, int threads, int blocks)
    {
        var scratch = empty([threads, blocks, arguments.Scores], ScalarType.Float32);
        arguments.Scratch = (float*)TensorMemory.Of(scratch);
        return scratch;
    }

    /// <summary>Where a part's sums begin; those of the last part are the result itself.</summary>
    private static long PartOffset(Arguments* a, int part)
    {
        var offset = 0L;
        for (var i = 0; i < part; i++) offset += (long)a->Batch * a->Reach(i) * a->HeadDim;
        return offset;
    }

    /// <summary>One block of one head; the last blocks, which see most, first.</summary>
    private static void Forward(void* pointer, int unit, int worker)
    {
        var a = (Arguments*)pointer;
        var head = unit % a->Batch;
        var first = (a->Blocks - 1 - (unit / a->Batch)) * Positions;
        var seen = Math.Min(a->Length, first + Positions);
        var rows = (seen - first) * a->Group;
        var queries = (((nint)head * a->Length) + first) * a->Group * a->HeadDim;
        var keys = (nint)head * a->Length * a->HeadDim;
        var scores = a->Scratch + (worker * a->Scores);
        SingleProducts.Transposed(rows, seen, a->HeadDim, a->Queries + queries, a->Keys + keys, scores);
        AttentionLoops.Softmax(scores, rows, seen, first, a->Group, a->Scale);
        SingleProducts.Plain(rows, a->HeadDim, seen, scores, a->Values + keys, a->Output + queries);
    }

    /// <summary>One part of one head; the last parts first, and in each the last block first: it sees all keys that the part sees.</summary>
    private static void Backward(void* pointer, int unit, int worker)
    {
        var a = (Arguments*)pointer;
        var head = unit % a->Batch;
        var part = a->Parts - 1 - (unit / a->Batch);
        var keys = (nint)head * a->Length * a->HeadDim;
        var sums = part == a->Parts - 1 ? keys : (nint)(PartOffset(a, part) + ((long)head * a->Reach(part) * a->HeadDim));
        var keySums = (part == a->Parts - 1 ? a->KeyGradient : a->KeyParts) + sums;
        var valueSums = (part == a->Parts - 1 ? a->ValueGradient : a->ValueParts) + sums;
        var scores = a->Scratch + (2 * worker * a->Scores);
        var gradient = scores + a->Scores;
        for (var block = a->Begin(part + 1) - 1; block >= a->Begin(part); block--)
        {
            var first = block * Positions;
            var seen = Math.Min(a->Length, first + Positions);
            var rows = (seen - first) * a->Group;
            var row = ((nint)head * a->Length + first) * a->Group;
            var queries = row * a->HeadDim;
            var again = block < a->Begin(part + 1) - 1;
            SingleProducts.Transposed(rows, seen, a->HeadDim, a->Queries + queries, a->Keys + keys, scores);
            AttentionLoops.Softmax(scores, rows, seen, first, a->Group, a->Scale);
            SingleProducts.Outer(seen, a->HeadDim, rows, scores, a->Output + queries, valueSums, again);
            SingleProducts.Transposed(rows, seen, a->HeadDim, a->Output + queries, a->Values + keys, gradient);
            AttentionLoops.Backward(gradient, scores, rows, seen, a->Deltas + row);
            SingleProducts.Plain(rows, a->HeadDim, seen, gradient, a->Keys + keys, a->QueryGradient + queries);
            SingleProducts.Outer(seen, a->HeadDim, rows, gradient, a->Queries + queries, keySums, again);
        }
    }

    /// <summary>Adds the sums of the other parts to the last one's, for keys [from, to) of all heads.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddParts(void* pointer, int from, int to)
    {
        var a = (Arguments*)pointer;
        var n = a->HeadDim;
        for (var row = from; row < to; row++)
        {
            var (head, key) = (row / a->Length, row % a->Length);
            var target = (nint)row * n;
            for (var part = 0; part < a->Parts - 1; part++)
            {
                if (key >= a->Reach(part)) continue;
                var source = (nint)(PartOffset(a, part) + ((((long)head * a->Reach(part)) + key) * n));
                for (var i = 0; i < n; i += ILanes.Count)
                {
                    Float32Lanes.Store((byte*)(a->KeyGradient + target), i, Float32Lanes.Load((byte*)(a->KeyGradient + target), i) + Float32Lanes.Load((byte*)(a->KeyParts + source), i));
                    Float32Lanes.Store((byte*)(a->ValueGradient + target), i, Float32Lanes.Load((byte*)(a->ValueGradient + target), i) + Float32Lanes.Load((byte*)(a->ValueParts + source), i));
                }
            }
        }
    }
}
