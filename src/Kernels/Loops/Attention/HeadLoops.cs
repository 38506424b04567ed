using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Orleans.Kernels.Loops.Products;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Loops.Attention;

/// <summary>Moves rows of the linears to heads and back, turning them by the rotary angles on the way.</summary>
internal static unsafe class HeadLoops
{
    private struct Arguments
    {
        internal byte* Flat;
        internal byte* Heads;
        internal byte* Other;
        internal float* Deltas;
        internal float* Cos;
        internal float* Sin;
        internal float Sign;
        internal float Scale;
        internal int Columns;
        internal int Row;
        internal int Start;
        internal int First;
        internal int Count;
        internal int KeyHeads;
        internal int Group;
        internal int Slots;
        internal int Slot;
        internal int HeadDim;
    }

    /// <summary>Whether there are loops for such heads: fp32 or bf16 in this machine's memory, in halves of whole vectors.</summary>
    internal static bool Fit(AttentionShape shape, ScalarType type, Device device) =>
        shape.HeadDim % (2 * ILanes.Count) == 0 && type is ScalarType.Float32 or ScalarType.BFloat16 && device.type == DeviceType.CPU;

    /// <summary>A segment's heads, queries and keys turned. In the caller's scope.</summary>
    internal static SegmentHeads Gather(AttentionRows rows, AttentionShape shape, Segment segment, Angles? angles)
    {
        return new SegmentHeads(
            segment,
            Gather(rows.Queries, shape.Queries(segment, rows.Columns), angles),
            Gather(rows.Keys, shape.Keys(segment, rows.Columns), angles),
            Gather(rows.Values, shape.Values(segment, rows.Columns), null));
    }

    /// <summary>The heads of <paramref name="flat"/> rows, turned where angles are given. In the caller's scope.</summary>
    internal static Tensor Gather(Tensor flat, HeadLayout layout, Angles? angles)
    {
        var heads = empty(layout.Shape, flat.dtype);
        var arguments = Of(flat, heads, layout);
        Turn(ref arguments, angles, 1);
        Gather(flat.dtype, layout, &arguments);
        return heads;
    }

    /// <summary>
    /// The output's gradient by heads, and δ = ⟨o, do⟩ of each query, fp32 <c>[rows·kv, L·group]</c>: what Σ P dP is. In the caller's
    /// scope.
    /// </summary>
    internal static (Tensor Heads, Tensor Deltas) GatherGradient(Tensor dOutput, Tensor output, HeadLayout layout)
    {
        var shape = layout.Shape;
        var (heads, deltas) = (empty(shape, dOutput.dtype), empty([shape[0], shape[1]], ScalarType.Float32));
        var arguments = Of(dOutput, heads, layout);
        arguments.Other = TensorMemory.Of(output);
        arguments.Deltas = (float*)TensorMemory.Of(deltas);
        Gather(dOutput.dtype, layout, &arguments);
        return (heads, deltas);
    }

    /// <summary>
    /// Writes heads into the <paramref name="flat"/> rows, times <paramref name="scale"/>, turned back where angles of the whole segment
    /// are given. Heads are of the flat rows' type or fp32.
    /// </summary>
    internal static void Scatter(Tensor heads, Tensor flat, HeadLayout layout, Angles? angles, float scale)
    {
        var arguments = Of(flat, heads, layout);
        arguments.Scale = scale;
        Turn(ref arguments, angles, -1);
        delegate*<void*, int, int, void> body = (heads.dtype, flat.dtype) switch
        {
            (ScalarType.Float32, ScalarType.Float32) => &Scatter<Float32Lanes, Float32Lanes>,
            (ScalarType.Float32, _) => &Scatter<Float32Lanes, BFloat16Lanes>,
            _ => &Scatter<BFloat16Lanes, BFloat16Lanes>,
        };
        Run(layout, body, &arguments);
    }

    private static void Gather(ScalarType type, HeadLayout layout, Arguments* arguments) =>
        Run(layout, type == ScalarType.Float32 ? &Gather<Float32Lanes> : &Gather<BFloat16Lanes>, arguments);

    private static void Run(HeadLayout layout, delegate*<void*, int, int, void> body, Arguments* arguments) =>
        TorchThreads.Run(layout.Segment.Rows * layout.Count, layout.KeyHeads * layout.Width * layout.HeadDim, body, arguments);

    private static Arguments Of(Tensor flat, Tensor heads, HeadLayout layout) => new()
    {
        Flat = TensorMemory.Of(flat),
        Heads = TensorMemory.Of(heads),
        Columns = layout.Columns,
        Row = layout.Segment.Row,
        Start = layout.Segment.Start,
        First = layout.First,
        Count = layout.Count,
        KeyHeads = layout.KeyHeads,
        Group = layout.Width,
        Slots = layout.Slots,
        Slot = layout.Slot,
        HeadDim = layout.HeadDim,
        Scale = 1,
    };

    private static void Turn(ref Arguments arguments, Angles? angles, float sign)
    {
        if (angles is not { } given) return;
        arguments.Cos = (float*)TensorMemory.Of(given.Cos);
        arguments.Sin = (float*)TensorMemory.Of(given.Sin);
        arguments.Sign = sign;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Gather<T>(void* pointer, int from, int to) where T : struct, ILanes
    {
        var a = (Arguments*)pointer;
        var (width, n) = (a->KeyHeads * a->Group, a->HeadDim);
        for (var index = from; index < to; index++)
        {
            var (row, t) = (index / a->Count, index % a->Count);
            var flat = (((nint)(a->Row + row) * a->Columns) + a->Start + t) * a->KeyHeads * a->Slots;
            for (var head = 0; head < width; head++)
            {
                var place = (((nint)((row * a->KeyHeads) + (head / a->Group)) * a->Count) + t) * a->Group + (head % a->Group);
                var source = (flat + SlotOf(a, head)) * n * T.Size;
                Move<T, T>(a, t, a->Flat + source, a->Heads + (place * n * T.Size));
                if (a->Deltas == null) continue;
                var sum = Vector256<float>.Zero;
                for (var i = 0; i < n; i += ILanes.Count)
                    sum = Vector256.FusedMultiplyAdd(T.Load(a->Flat + source, i), T.Load(a->Other + source, i), sum);
                a->Deltas[place] = Lanes.Sum(sum);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scatter<TFrom, TTo>(void* pointer, int from, int to) where TFrom : struct, ILanes where TTo : struct, ILanes
    {
        var a = (Arguments*)pointer;
        var (width, n) = (a->KeyHeads * a->Group, a->HeadDim);
        for (var index = from; index < to; index++)
        {
            var (row, t) = (index / a->Count, index % a->Count);
            var flat = (((nint)(a->Row + row) * a->Columns) + a->Start + a->First + t) * a->KeyHeads * a->Slots;
            for (var head = 0; head < width; head++)
            {
                var place = (((nint)((row * a->KeyHeads) + (head / a->Group)) * a->Count) + t) * a->Group + (head % a->Group);
                Move<TFrom, TTo>(a, a->First + t, a->Heads + (place * n * TFrom.Size), a->Flat + ((flat + SlotOf(a, head)) * n * TTo.Size));
            }
        }
    }

    /// <summary>Where a head lies in its row, in heads.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int SlotOf(Arguments* a, int head) => (head / a->Group * a->Slots) + a->Slot + (head % a->Group);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Move<TFrom, TTo>(Arguments* a, int position, byte* source, byte* target)
        where TFrom : struct, ILanes
        where TTo : struct, ILanes
    {
        var n = a->HeadDim;
        var scale = Vector256.Create(a->Scale);
        if (a->Cos == null)
        {
            for (var i = 0; i < n; i += ILanes.Count) TTo.Store(target, i, TFrom.Load(source, i) * scale);
            return;
        }

        var half = n / 2;
        var upperSource = source + ((nint)half * TFrom.Size);
        var upperTarget = target + ((nint)half * TTo.Size);
        var cosines = (byte*)(a->Cos + ((nint)position * half));
        var sines = (byte*)(a->Sin + ((nint)position * half));
        var sign = Vector256.Create(a->Sign);
        for (var i = 0; i < half; i += ILanes.Count)
        {
            var (first, second) = (TFrom.Load(source, i) * scale, TFrom.Load(upperSource, i) * scale);
            var (cos, sin) = (Float32Lanes.Load(cosines, i), Float32Lanes.Load(sines, i) * sign);
            TTo.Store(target, i, (first * cos) - (second * sin));
            TTo.Store(upperTarget, i, (second * cos) + (first * sin));
        }
    }
}
