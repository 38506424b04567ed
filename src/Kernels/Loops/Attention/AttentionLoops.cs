using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Orleans.Kernels.Loops.Products;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Loops.Attention;

/// <summary>
/// What attention does to rows between its products, in place and in fp32. Scores are <c>[B, rows, seen]</c>: row i is a query at position
/// <c>first + i / group</c>, the columns keys from <c>from</c> on, of which it sees what the rule says.
/// </summary>
internal static unsafe class AttentionLoops
{
    /// <summary>A row's exponentials lie on the stack.</summary>
    internal const int LongestRow = 16 << 10;

    private struct Arguments
    {
        internal byte* Scores;
        internal byte* Probabilities;
        internal float* Deltas;
        internal long DeltaStride;
        internal int RowsPerBatch;
        internal int Columns;
        internal int First;
        internal int From;
        internal int Head;
        internal ScoreRule Rule;
    }

    /// <summary>
    /// Turns scores into the probabilities of softmax(scale · scores − slope · distance) over the keys seen; zero beyond.
    /// </summary>
    internal static void Softmax(Tensor scores, int first, int from, in ScoreRule rule)
    {
        var arguments = Of(scores);
        (arguments.First, arguments.From, arguments.Rule) = (first, from, rule);
        var rows = (int)(scores.shape[0] * scores.shape[1]);
        TorchThreads.Run(
            rows,
            2 * scores.shape[2],
            scores.dtype == ScalarType.Float32 ? &Softmax<Float32Lanes> : &Softmax<BFloat16Lanes>,
            &arguments);
    }

    /// <summary>
    /// Turns dL/dP into <c>P ⊙ (dL/dP − δ)</c>, the gradient of the scaled scores; δ of row i of batch b at <c>[b, offset + i]</c> of
    /// <paramref name="deltas"/>.
    /// </summary>
    internal static void Backward(Tensor gradient, Tensor probabilities, Tensor deltas, long offset)
    {
        var arguments = Of(gradient);
        arguments.Probabilities = TensorMemory.Of(probabilities);
        arguments.Deltas = (float*)TensorMemory.Of(deltas) + offset;
        arguments.DeltaStride = deltas.shape[1];
        var rows = (int)(gradient.shape[0] * gradient.shape[1]);
        TorchThreads.Run(
            rows,
            gradient.shape[2],
            gradient.dtype == ScalarType.Float32 ? &Differentiate<Float32Lanes> : &Differentiate<BFloat16Lanes>,
            &arguments);
    }

    /// <summary>
    /// As above for one block of batch <paramref name="head"/> in plain memory, on the calling thread: rows <c>[rows, columns]</c>, row i
    /// a query at position <c>first + i / group</c>.
    /// </summary>
    internal static void Softmax(float* scores, int rows, int columns, int head, int first, int from, in ScoreRule rule)
    {
        var arguments = new Arguments
        {
            Scores = (byte*)scores,
            RowsPerBatch = rows,
            Columns = columns,
            Head = head,
            First = first,
            From = from,
            Rule = rule,
        };
        Softmax<Float32Lanes>(&arguments, 0, rows);
    }

    /// <summary>As above for one block in plain memory; δ of row i at <c>deltas[i]</c>.</summary>
    internal static void Backward(float* gradient, float* probabilities, int rows, int columns, float* deltas)
    {
        var arguments = new Arguments
        {
            Scores = (byte*)gradient,
            Probabilities = (byte*)probabilities,
            Deltas = deltas,
            RowsPerBatch = rows,
            Columns = columns,
        };
        Differentiate<Float32Lanes>(&arguments, 0, rows);
    }

    private static Arguments Of(Tensor scores) => new()
    {
        Scores = TensorMemory.Of(scores),
        RowsPerBatch = (int)scores.shape[1],
        Columns = (int)scores.shape[2],
    };

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Softmax<T>(void* pointer, int from, int to) where T : struct, ILanes
    {
        var a = (Arguments*)pointer;
        var buffer = stackalloc float[(a->Columns + ILanes.Count - 1) / ILanes.Count * ILanes.Count];
        var scale = Vector256.Create(a->Rule.Scale);
        var wideScale = Vector512.Create(a->Rule.Scale);
        var biased = a->Rule.IsBiased;
        for (var row = from; row < to; row++)
        {
            var position = a->First + (row % a->RowsPerBatch / a->Rule.Group);
            var before = a->Rule.FirstSeen(position) - a->From;
            var all = a->Scores + ((nint)row * a->Columns * T.Size);
            new Span<byte>(all, before * T.Size).Clear();
            // From here on of the keys seen alone: the first of them is as far away as their number, less one.
            var scores = all + ((nint)before * T.Size);
            var n = Math.Min(a->Columns, position - a->From + 1) - before;
            var slope = biased ? a->Rule.Slope(a->Head + (row / a->RowsPerBatch), row % a->RowsPerBatch) : 0;
            var whole = n - (n % ILanes.Count);
            var wide = Lanes.Wide(n);
            var largest = Vector256.Create(float.NegativeInfinity);
            for (var i = 0; i < wide; i += Lanes.WideCount)
            {
                var v = T.LoadWide(scores, i) * wideScale;
                if (biased) v = Vector512.FusedMultiplyAdd(Distances512(i - n + 1), Vector512.Create(slope), v);
                v.Store(buffer + i);
                largest = Vector256.MaxNative(largest, Vector256.MaxNative(v.GetLower(), v.GetUpper()));
            }

            for (var i = wide; i < whole; i += ILanes.Count)
            {
                var v = T.Load(scores, i) * scale;
                if (biased) v = Vector256.FusedMultiplyAdd(Distances256(i - n + 1), Vector256.Create(slope), v);
                v.Store(buffer + i);
                largest = Vector256.MaxNative(largest, v);
            }

            if (whole < n)
            {
                var v = Lanes.LoadEnd<T>(scores, whole, n) * scale;
                if (biased) v = Vector256.FusedMultiplyAdd(Distances256(whole - n + 1), Vector256.Create(slope), v);
                // Beyond the last key: e^−∞, nothing.
                v = Vector256.ConditionalSelect(Lanes.Below(n - whole), v, Vector256.Create(float.NegativeInfinity));
                v.Store(buffer + whole);
                largest = Vector256.MaxNative(largest, v);
            }

            var shift = Vector256.Create(Lanes.Max(largest));
            var wideShift = Vector512.Create(shift, shift);
            var sum = Vector256<float>.Zero;
            for (var i = 0; i < wide; i += Lanes.WideCount)
            {
                var e = Lanes.Exp(Vector512.Load(buffer + i) - wideShift);
                e.Store(buffer + i);
                // In the order of the narrow loop.
                sum = sum + e.GetLower() + e.GetUpper();
            }

            for (var i = wide; i < whole; i += ILanes.Count)
            {
                var e = Lanes.Exp(Vector256.Load(buffer + i) - shift);
                e.Store(buffer + i);
                sum += e;
            }

            if (whole < n)
            {
                var e = Lanes.Exp(Vector256.Load(buffer + whole) - shift) & Lanes.Below(n - whole);
                e.Store(buffer + whole);
                sum += e;
            }

            var factor = Vector256.Create(1 / Lanes.Sum(sum));
            var wideFactor = Vector512.Create(factor, factor);
            for (var i = 0; i < wide; i += Lanes.WideCount) T.StoreWide(scores, i, Vector512.Load(buffer + i) * wideFactor);
            for (var i = wide; i < whole; i += ILanes.Count) T.Store(scores, i, Vector256.Load(buffer + i) * factor);
            if (whole < n) Lanes.StoreEnd<T>(scores, whole, n, Vector256.Load(buffer + whole) * factor);
            new Span<byte>(scores + ((nint)n * T.Size), (a->Columns - before - n) * T.Size).Clear();
        }
    }

    /// <summary><c>first, first + 1, …</c>: from a query to keys up to it, below 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Distances512(int first) =>
        Vector512.ConvertToSingle(Vector512.Create(first) + Vector512<int>.Indices);

    /// <inheritdoc cref="Distances512"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Distances256(int first) =>
        Vector256.ConvertToSingle(Vector256.Create(first) + Vector256<int>.Indices);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Differentiate<T>(void* pointer, int from, int to) where T : struct, ILanes
    {
        var a = (Arguments*)pointer;
        var n = a->Columns;
        var whole = n - (n % ILanes.Count);
        for (var row = from; row < to; row++)
        {
            var offset = (nint)row * n * T.Size;
            var delta = Vector256.Create(a->Deltas[(row / a->RowsPerBatch * a->DeltaStride) + (row % a->RowsPerBatch)]);
            var p = a->Probabilities + offset;
            var gradient = a->Scores + offset;
            var wide = Lanes.Wide(n);
            var wideDelta = Vector512.Create(delta, delta);
            for (var i = 0; i < wide; i += Lanes.WideCount)
                T.StoreWide(gradient, i, T.LoadWide(p, i) * (T.LoadWide(gradient, i) - wideDelta));
            for (var i = wide; i < whole; i += ILanes.Count) T.Store(gradient, i, T.Load(p, i) * (T.Load(gradient, i) - delta));
            if (whole < n)
                Lanes.StoreEnd<T>(gradient, whole, n, Lanes.LoadEnd<T>(p, whole, n) * (Lanes.LoadEnd<T>(gradient, whole, n) - delta));
        }
    }
}
