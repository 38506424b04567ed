using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Orleans.Kernels.Loops.Products;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Loops.Rotations;

/// <summary>
/// Products of bf16 rows <c>[T, n]</c> with a block-diagonal matrix of small dense blocks <c>[n/S, S, S]</c>, where the rows lie, as
/// <see cref="RotationLoops"/> in fp32: batched products would have every row copied twice, and rounded once more. A thread takes a block
/// with all rows.
/// </summary>
/// <remarks>Bits depend neither on the number of threads nor on the rows beside a row.</remarks>
internal static unsafe class PackedRotation
{
    /// <summary>Rows multiplied at a time; what is missing of the last ones are zeros.</summary>
    private const int Height = 64;

    private struct Arguments
    {
        internal byte* X;
        internal byte* Y;
        internal byte* Blocks;
        internal float* Result;
        internal byte* Scratch;
        internal int Rows;
        internal int Columns;
        internal int Group;
        internal float Factor;
        internal bool Transposed;

        /// <summary>Bytes of a block, or of the rows that it is multiplied with, arranged; twice as many as bf16.</summary>
        internal readonly long RoomBytes => (long)Math.Max(Height, Group) * Group * sizeof(float);

        internal readonly byte* Room(int worker, int number) => Scratch + (((worker * 3L) + number) * RoomBytes);
    }

    /// <summary>Whether it has loops for such rows and blocks of <paramref name="group"/> × <paramref name="group"/>.</summary>
    internal static bool Fit(Tensor rows, long group) =>
        rows.dtype == ScalarType.BFloat16 && BlockKernel.HasHalf
        && group % MatrixPacking.Columns == 0 && rows.device_type == DeviceType.CPU;

    /// <summary>
    /// <c>y[t, g] += factor · x[t, g] B_g</c>, or with <paramref name="transposed"/> B_gᵀ, in place; y may be x. All bf16.
    /// </summary>
    internal static void Add(Tensor x, Tensor blocks, Tensor y, bool transposed, double factor, int threads)
    {
        var arguments = Of(x, y, (int)blocks.shape[1], factor);
        arguments.Blocks = TensorMemory.Of(blocks);
        arguments.Transposed = transposed;
        Run(ref arguments, &Add, threads);
    }

    /// <summary><c>factor · Σ_t left[t, g]ᵀ right[t, g]</c>, fp32 <c>[n/S, S, S]</c>, in the caller's scope.</summary>
    internal static Tensor Outer(Tensor left, Tensor right, int group, double factor, int threads)
    {
        var result = empty([left.shape[1] / group, group, group], ScalarType.Float32);
        var arguments = Of(left, right, group, factor);
        arguments.Result = (float*)TensorMemory.Of(result);
        Run(ref arguments, &Outer, threads);
        return result;
    }

    private static Arguments Of(Tensor x, Tensor y, int group, double factor) => new()
    {
        X = TensorMemory.Of(x),
        Y = TensorMemory.Of(y),
        Rows = (int)x.shape[0],
        Columns = (int)x.shape[1],
        Group = group,
        Factor = (float)factor,
    };

    private static void Run(ref Arguments arguments, delegate*<void*, int, int, void> body, int threads)
    {
        using var scratch = empty([threads, 3 * arguments.RoomBytes], ScalarType.Byte);
        arguments.Scratch = TensorMemory.Of(scratch);
        fixed (Arguments* a = &arguments) TorchThreads.RunUnits(a->Columns / a->Group, body, a, threads);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Add(void* pointer, int unit, int worker)
    {
        var a = (Arguments*)pointer;
        var (s, factor) = (a->Group, Vector512.Create(a->Factor));
        var words = (uint*)a->Room(worker, 0);
        var sums = (float*)a->Room(worker, 1);
        var block = a->Blocks + ((nint)unit * s * s * HalfElements.Size);
        if (a->Transposed) HalfElements.Transposed(block, s, s, s, words);
        else HalfElements.Plain(block, s, s, s, words, s);
        for (var row = 0; row < a->Rows; row += Height)
        {
            var offset = (((nint)row * a->Columns) + (unit * s)) * HalfElements.Size;
            var rows = Part(a, a->X + offset, row, a->Room(worker, 2), out var stride);
            HalfElements.Multiply(Height, s, s, rows, stride, words, sums, add: false);
            var (y, count) = ((nint)(a->Y + offset), Math.Min(Height, a->Rows - row));
            for (var i = 0; i < count; i++, y += (nint)a->Columns * HalfElements.Size)
            {
                for (var column = 0; column < s; column += MatrixPacking.Columns)
                    HalfElements.Store(
                        (byte*)y,
                        column,
                        HalfElements.Load((byte*)y, column) + (Vector512.Load(sums + (i * s) + column) * factor));
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Outer(void* pointer, int unit, int worker)
    {
        var a = (Arguments*)pointer;
        var (s, factor) = (a->Group, Vector512.Create(a->Factor));
        var result = a->Result + ((nint)unit * s * s);
        var words = (uint*)a->Room(worker, 0);
        var turned = a->Room(worker, 1);
        var room = stackalloc uint[MatrixPacking.Columns * MatrixPacking.Columns];
        for (var row = 0; row < a->Rows; row += Height)
        {
            var offset = (((nint)row * a->Columns) + (unit * s)) * HalfElements.Size;
            HalfElements.Plain(a->Y + offset, a->Columns, Math.Min(Height, a->Rows - row), s, words, Height);
            var left = Part(a, a->X + offset, row, a->Room(worker, 2), out var stride);
            for (var column = 0; column < s; column += MatrixPacking.Columns)
            {
                for (var i = 0; i < Height; i += MatrixPacking.Columns)
                    HalfElements.Turn(
                        left + ((((nint)i * stride) + column) * HalfElements.Size),
                        stride,
                        turned + ((((nint)column * Height) + i) * HalfElements.Size),
                        Height,
                        room);
            }

            HalfElements.Multiply(s, s, Height, turned, Height, words, result, add: row > 0);
        }

        for (var i = 0; i < s * s; i += MatrixPacking.Columns) (Vector512.Load(result + i) * factor).Store(result + i);
    }

    /// <summary>
    /// A block's part of <see cref="Height"/> rows where they lie, or where there are not as many a copy with zeros behind it.
    /// </summary>
    private static byte* Part(Arguments* a, byte* at, int row, byte* room, out int stride)
    {
        var (count, bytes) = (Math.Min(Height, a->Rows - row), a->Group * HalfElements.Size);
        stride = a->Columns;
        if (count == Height) return at;
        stride = a->Group;
        for (var i = 0; i < count; i++)
            Unsafe.CopyBlockUnaligned(room + (i * bytes), at + ((nint)i * a->Columns * HalfElements.Size), (uint)bytes);
        new Span<byte>(room + (count * bytes), (Height - count) * bytes).Clear();
        return room;
    }
}
