using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Orleans.Kernels.Loops.Products;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Loops.Attention;

/// <summary>
/// Causal attention in fp32, a block of queries of one key head after the other: a thread makes the block's scores, their softmax and the
/// products with them in memory of its own, which stays in its cache, while the others do the same with other blocks. Products over all
/// heads at once would have to share three key heads between two threads, and meet after each step.
/// </summary>
internal sealed unsafe class BlockedAttention(AttentionShape shape, int threads) : BlockwiseAttention(shape)
{
    /// <summary>
    /// Positions of a block: scores of a group of queries and their gradients fit a core's own cache up to a thousand keys.
    /// </summary>
    private const int Positions = 64;

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
        internal ScoreRule Rule;
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

    /// <summary>Whether it can work with heads of this type, for which there are loops.</summary>
    internal static bool Fit(ScalarType type) => type == ScalarType.Float32 && SingleProducts.Found;

    internal override Tensor Attend(SegmentHeads heads)
    {
        var output = empty_like(heads.Queries);
        var arguments = Of(heads);
        arguments.Output = (float*)TensorMemory.Of(output);
        using var scratch = Scratch(ref arguments, 1);
        TorchThreads.RunUnits(arguments.Batch * arguments.Blocks, &Forward, &arguments, threads);
        return output;
    }

    internal override (Tensor Queries, Tensor Keys, Tensor Values) Differentiate(SegmentHeads heads, Tensor dOutput, Tensor deltas)
    {
        var (dQueries, dKeys, dValues) = (empty_like(heads.Queries), empty_like(heads.Keys), empty_like(heads.Values));
        var arguments = Of(heads);
        arguments.Output = (float*)TensorMemory.Of(dOutput);
        arguments.Deltas = (float*)TensorMemory.Of(deltas);
        arguments.QueryGradient = (float*)TensorMemory.Of(dQueries);
        arguments.KeyGradient = (float*)TensorMemory.Of(dKeys);
        arguments.ValueGradient = (float*)TensorMemory.Of(dValues);
        using var scratch = Scratch(ref arguments, 2);
        using var parts = empty([2, Math.Max(1, PartOffset(&arguments, arguments.Parts - 1))], ScalarType.Float32);
        arguments.KeyParts = (float*)TensorMemory.Of(parts);
        arguments.ValueParts = arguments.KeyParts + parts.shape[1];
        TorchThreads.RunUnits(arguments.Batch * arguments.Parts, &Backward, &arguments, threads);
        if (arguments.Parts > 1)
            TorchThreads.Run(arguments.Batch * arguments.Length, 2L * arguments.Parts * arguments.HeadDim, &AddParts, &arguments, threads);
        return (dQueries, dKeys, dValues);
    }

    private Arguments Of(SegmentHeads heads)
    {
        var (batch, length) = ((int)heads.Keys.shape[0], heads.Segment.Length);
        var blocks = (length + Positions - 1) / Positions;
        return new Arguments
        {
            Queries = (float*)TensorMemory.Of(heads.Queries),
            Keys = (float*)TensorMemory.Of(heads.Keys),
            Values = (float*)TensorMemory.Of(heads.Values),
            Rule = new ScoreRule(Shape),
            Batch = batch,
            Length = length,
            Group = Shape.Group,
            HeadDim = Shape.HeadDim,
            Blocks = blocks,
            Parts = PartsOf(batch, blocks),
        };
    }

    private Tensor Scratch(ref Arguments arguments, int blocks)
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
        var from = a->Rule.FirstSeen(first);
        seen -= from;
        keys += (nint)from * a->HeadDim;
        SingleProducts.Transposed(rows, seen, a->HeadDim, a->Queries + queries, a->Keys + keys, scores);
        AttentionLoops.Softmax(scores, rows, seen, head, first, from, a->Rule);
        SingleProducts.Plain(rows, a->HeadDim, seen, scores, a->Values + keys, a->Output + queries);
    }

    /// <summary>
    /// One part of one head; the last parts first, and in each the last block first: it sees all keys that the part sees, where no window
    /// ends before them.
    /// </summary>
    private static void Backward(void* pointer, int unit, int worker)
    {
        var a = (Arguments*)pointer;
        var head = unit % a->Batch;
        var part = a->Parts - 1 - (unit / a->Batch);
        var keys = (nint)head * a->Length * a->HeadDim;
        var sums = part == a->Parts - 1 ? keys : (nint)(PartOffset(a, part) + ((long)head * a->Reach(part) * a->HeadDim));
        var keySums = (part == a->Parts - 1 ? a->KeyGradient : a->KeyParts) + sums;
        var valueSums = (part == a->Parts - 1 ? a->ValueGradient : a->ValueParts) + sums;
        if (a->Rule.IsWindowed)
        {
            new Span<float>(keySums, a->Reach(part) * a->HeadDim).Clear();
            new Span<float>(valueSums, a->Reach(part) * a->HeadDim).Clear();
        }

        var scores = a->Scratch + (2 * worker * a->Scores);
        var gradient = scores + a->Scores;
        for (var block = a->Begin(part + 1) - 1; block >= a->Begin(part); block--)
        {
            var first = block * Positions;
            var seen = Math.Min(a->Length, first + Positions);
            var rows = (seen - first) * a->Group;
            var row = ((nint)head * a->Length + first) * a->Group;
            var queries = row * a->HeadDim;
            var again = a->Rule.IsWindowed || block < a->Begin(part + 1) - 1;
            var from = a->Rule.FirstSeen(first);
            seen -= from;
            var start = (nint)from * a->HeadDim;
            SingleProducts.Transposed(rows, seen, a->HeadDim, a->Queries + queries, a->Keys + keys + start, scores);
            AttentionLoops.Softmax(scores, rows, seen, head, first, from, a->Rule);
            SingleProducts.Outer(seen, a->HeadDim, rows, scores, a->Output + queries, valueSums + start, again);
            SingleProducts.Transposed(rows, seen, a->HeadDim, a->Output + queries, a->Values + keys + start, gradient);
            AttentionLoops.Backward(gradient, scores, rows, seen, a->Deltas + row);
            SingleProducts.Plain(rows, a->HeadDim, seen, gradient, a->Keys + keys + start, a->QueryGradient + queries);
            SingleProducts.Outer(seen, a->HeadDim, rows, gradient, a->Queries + queries, keySums + start, again);
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
                Add(a->KeyGradient + target, a->KeyParts + source, n);
                Add(a->ValueGradient + target, a->ValueParts + source, n);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(float* to, float* row, int count)
    {
        for (var i = 0; i < count; i += ILanes.Count) (Vector256.Load(to + i) + Vector256.Load(row + i)).Store(to + i);
    }
}
