using Peft.Orleans.Kernels.Loops.Products;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Loops.Attention;

/// <summary>
/// Causal attention as <see cref="BlockedAttention"/> makes it, in bf16 or fp32, on processors with AVX-512: scores lie in tiles of a block
/// of queries by a block of keys, which the block kernel multiplies with as they are. Scores, sums and results are fp32; probabilities are
/// of the heads' type.
/// </summary>
/// <remarks>
/// What is missing of a last block are zeros, so that one set of kernels serves all lengths. Bits do not depend on the number of threads.
/// </remarks>
internal sealed unsafe partial class PackedAttention(AttentionShape shape, int threads) : BlockwiseAttention(shape)
{
    /// <summary>Positions of a block of queries, and of keys.</summary>
    private const int Positions = AttentionTiles.Keys;

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
        internal ScoreRule Rule;
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

        /// <summary>The first block of keys that a block of queries sees something of.</summary>
        internal readonly int FirstSeen(int block) => Rule.FirstSeen(block * Positions) / Positions;
    }

    /// <summary>Whether it can work with such heads, for whose type there are loops.</summary>
    internal static bool Fit(AttentionShape shape, ScalarType type) =>
        (type == ScalarType.BFloat16 ? BlockKernel.HasHalf : type == ScalarType.Float32 && BlockKernel.HasSingle)
        && shape.HeadDim % MatrixPacking.Columns == 0;

    internal override Tensor Attend(SegmentHeads heads)
    {
        var output = empty(heads.Queries.shape, ScalarType.Float32);
        var arguments = Of(heads);
        arguments.Result = (float*)TensorMemory.Of(output);
        if (heads.Queries.dtype == ScalarType.BFloat16) Forward<HalfElements>(&arguments, threads);
        else Forward<SingleElements>(&arguments, threads);
        return output;
    }

    internal override (Tensor Queries, Tensor Keys, Tensor Values) Differentiate(SegmentHeads heads, Tensor dOutput, Tensor deltas)
    {
        var dQueries = empty(heads.Queries.shape, ScalarType.Float32);
        var (dKeys, dValues) = (empty(heads.Keys.shape, ScalarType.Float32), empty(heads.Values.shape, ScalarType.Float32));
        var arguments = Of(heads);
        arguments.Backward = true;
        arguments.Gradient = TensorMemory.Of(dOutput);
        arguments.Deltas = (float*)TensorMemory.Of(deltas);
        arguments.Result = (float*)TensorMemory.Of(dQueries);
        arguments.KeyGradient = (float*)TensorMemory.Of(dKeys);
        arguments.ValueGradient = (float*)TensorMemory.Of(dValues);
        if (heads.Queries.dtype == ScalarType.BFloat16) Backward<HalfElements>(&arguments, threads);
        else Backward<SingleElements>(&arguments, threads);
        return (dQueries, dKeys, dValues);
    }

    private Arguments Of(SegmentHeads heads)
    {
        var (batch, length) = ((int)heads.Keys.shape[0], heads.Segment.Length);
        var blocks = (length + Positions - 1) / Positions;
        return new Arguments
        {
            Queries = TensorMemory.Of(heads.Queries),
            Keys = TensorMemory.Of(heads.Keys),
            Values = TensorMemory.Of(heads.Values),
            Rule = new ScoreRule(Shape),
            Batch = batch,
            Length = length,
            Group = Shape.Group,
            HeadDim = Shape.HeadDim,
            Blocks = blocks,
            Parts = PartsOf(batch, blocks),
        };
    }

    private static void Forward<T>(Arguments* a, int threads) where T : struct, IPackedElements
    {
        var bytes = a->Batch * a->Blocks * a->KeyBlock * T.Size;
        using var packed = empty([2, bytes], ScalarType.Byte);
        a->KeysTurned = TensorMemory.Of(packed);
        a->ValuesPlain = a->KeysTurned + bytes;
        TorchThreads.RunUnits(a->Batch * a->Blocks, &Pack<T>, a, threads);
        using var scratch = Scratch(a, T.Size, threads);
        TorchThreads.RunUnits(a->Batch * a->Blocks, &ForwardUnit<T>, a, threads);
    }

    private static void Backward<T>(Arguments* a, int threads) where T : struct, IPackedElements
    {
        var bytes = a->Batch * a->Blocks * a->KeyBlock * T.Size;
        using var packed = empty([3, bytes], ScalarType.Byte);
        a->KeysTurned = TensorMemory.Of(packed);
        a->ValuesTurned = a->KeysTurned + bytes;
        a->KeysPlain = a->ValuesTurned + bytes;
        TorchThreads.RunUnits(a->Batch * a->Blocks, &Pack<T>, a, threads);
        using var scratch = Scratch(a, T.Size, threads);
        using var parts = empty([2, PartOffset(a, a->Parts)], ScalarType.Float32);
        a->KeyParts = (float*)TensorMemory.Of(parts);
        a->ValueParts = a->KeyParts + parts.shape[1];
        TorchThreads.RunUnits(a->Batch * a->Parts, &BackwardUnit<T>, a, threads);
        TorchThreads.Run(a->Batch * a->Length, 2L * a->Parts * a->HeadDim, &AddParts, a, threads);
    }

    private static Tensor Scratch(Arguments* a, int size, int threads)
    {
        a->WorkerBytes = Workspace.Place(a, size, null, out _);
        var scratch = empty([threads, a->WorkerBytes], ScalarType.Byte);
        a->Scratch = TensorMemory.Of(scratch);
        return scratch;
    }

    private static long PartOffset(Arguments* a, int part)
    {
        var offset = 0L;
        for (var i = 0; i < part; i++) offset += a->Batch * a->Begin(i + 1) * a->KeyBlock;
        return offset;
    }
}
