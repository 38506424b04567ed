using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Orleans.Kernels.Loops.Attention;
using Peft.Orleans.Kernels.Loops.Products;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Loops.Attention;

/// <summary>
/// Moves rows between the layout of the linears, <c>[T, kv·group·head_dim]</c>, and that of attention's products,
/// <c>[rows·kv, L·group, head_dim]</c>, turning them by the rotary angles on the way.
/// </summary>
internal static unsafe class HeadLayout
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
        internal int HeadDim;
    }

    /// <summary>A segment's heads; rotated where <paramref name="cos"/> and <paramref name="sin"/>, <c>[L, head_dim / 2]</c>, are given. In the caller's scope.</summary>
    internal static Tensor Gather(Tensor flat, int columns, Segment segment, int keyHeads, int group, int headDim, Tensor? cos, Tensor? sin)
    {
        var heads = empty([(long)segment.Rows * keyHeads, (long)segment.Length * group, headDim], flat.dtype);
        var arguments = Of(flat, heads, columns, segment, 0, segment.Length, keyHeads, group, headDim);
        Turn(ref arguments, cos, sin, 1, 1);
        TorchThreads.Run(segment.Rows * segment.Length, keyHeads * group * headDim, flat.dtype == ScalarType.Float32 ? &Gather<Float32Lanes> : &Gather<BFloat16Lanes>, &arguments);
        return heads;
    }

    /// <summary>
    /// The output's gradient by heads, and δ = ⟨o, do⟩ of each query, fp32 <c>[rows·kv, L·group]</c>: what Σ P dP is. In the caller's scope.
    /// </summary>
    internal static (Tensor Heads, Tensor Deltas) GatherGradient(Tensor dOutput, Tensor output, int columns, Segment segment, int keyHeads, int group, int headDim)
    {
        var heads = empty([(long)segment.Rows * keyHeads, (long)segment.Length * group, headDim], dOutput.dtype);
        var deltas = empty([(long)segment.Rows * keyHeads, (long)segment.Length * group], ScalarType.Float32);
        var arguments = Of(dOutput, heads, columns, segment, 0, segment.Length, keyHeads, group, headDim);
        arguments.Other = TensorMemory.Of(output);
        arguments.Deltas = (float*)TensorMemory.Of(deltas);
        TorchThreads.Run(segment.Rows * segment.Length, keyHeads * group * headDim, dOutput.dtype == ScalarType.Float32 ? &Gather<Float32Lanes> : &Gather<BFloat16Lanes>, &arguments);
        return (heads, deltas);
    }

    /// <summary>
    /// Writes heads of <paramref name="count"/> positions of a segment from <paramref name="first"/> into the flat rows, times
    /// <paramref name="scale"/>, turned back where cos and sin of the whole segment are given. Heads are of the flat rows' type or fp32.
    /// </summary>
    internal static void Scatter(Tensor heads, Tensor flat, int columns, Segment segment, int first, int count, int keyHeads, int group, int headDim, Tensor? cos, Tensor? sin, float scale)
    {
        var arguments = Of(flat, heads, columns, segment, first, count, keyHeads, group, headDim);
        Turn(ref arguments, cos, sin, -1, scale);
        delegate*<void*, int, int, void> body = (heads.dtype, flat.dtype) switch
        {
            (ScalarType.Float32, ScalarType.Float32) => &Scatter<Float32Lanes, Float32Lanes>,
            (ScalarType.Float32, _) => &Scatter<Float32Lanes, BFloat16Lanes>,
            _ => &Scatter<BFloat16Lanes, BFloat16Lanes>,
        };
        TorchThreads.Run(segment.Rows * count, keyHeads * group * headDim, body, &arguments);
    }

    private static Arguments Of(Tensor flat, Tensor heads, int columns, Segment segment, int first, int count, int keyHeads, int group, int headDim) => new()
    {
        Flat = TensorMemory.Of(flat),
        Heads = TensorMemory.Of(heads),
        Columns = columns,
        Row = segment.Row,
        Start = segment.Start,
        First = first,
        Count = count,
        KeyHeads = keyHeads,
        Group = group,
        HeadDim = headDim,
        Scale = 1,
    };

    private static void Turn(ref Arguments arguments, Tensor? cos, Tensor? sin, float sign, float scale)
    {
        arguments.Scale = scale;
        if (cos is null || sin is null) return;
        arguments.Cos = (float*)TensorMemory.Of(cos);
        arguments.Sin = (float*)TensorMemory.Of(sin);
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
            var flat = ((((nint)(a->Row + row) * a->Columns) + a->Start + t) * width) * n * T.Size;
            for (var head = 0; head < width; head++)
            {
                var place = (((nint)((row * a->KeyHeads) + (head / a->Group)) * a->Count) + t) * a->Group + (head % a->Group);
                var source = flat + ((nint)head * n * T.Size);
                Move<T, T>(a, t, a->Flat + source, a->Heads + (place * n * T.Size));
                if (a->Deltas == null) continue;
                var sum = Vector256<float>.Zero;
                for (var i = 0; i < n; i += ILanes.Count) sum = Vector256.FusedMultiplyAdd(T.Load(a->Flat + source, i), T.Load(a->Other + source, i), sum);
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
            var flat = (((nint)(a->Row + row) * a->Columns) + a->Start + a->First + t) * width;
            for (var head = 0; head < width; head++)
            {
                var place = (((nint)((row * a->KeyHeads) + (head / a->Group)) * a->Count) + t) * a->Group + (head % a->Group);
                Move<TFrom, TTo>(a, a->First + t, a->Heads + (place * n * TFrom.Size), a->Flat + ((flat + head) * n * TTo.Size));
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Move<TFrom, TTo>(Arguments* a, int position, byte* source, byte* target) where TFrom : struct, ILanes where TTo : struct, ILanes
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
