using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Orleans.Kernels.Loops.Products;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Loops.Rotations;

/// <summary>
/// Products of rows <c>[T, n]</c> with a block-diagonal matrix of small dense blocks <c>[n/S, S, S]</c>, in fp32, where the rows lie:
/// batched products would have every row copied twice.
/// </summary>
internal static unsafe class RotationLoops
{
    private const int Tokens = 4;
    private const int Stretch = 32;

    private struct Arguments
    {
        internal byte* X;
        internal byte* Y;
        internal float* Blocks;
        internal int Rows;
        internal int Columns;
        internal int Group;
        internal float Factor;
    }

    /// <summary><c>y[t, g] += factor · x[t, g] B_g</c> in place; y may be x.</summary>
    internal static void Add(Tensor x, Tensor blocks, Tensor y, double factor)
    {
        var arguments = Of(x, y, blocks, factor);
        TorchThreads.Run(
            (arguments.Rows + Tokens - 1) / Tokens,
            Tokens * (long)arguments.Columns * arguments.Group / 8,
            x.dtype == ScalarType.Float32 ? &Add<Float32Lanes> : &Add<BFloat16Lanes>,
            &arguments);
    }

    /// <summary><c>factor · Σ_t left[t, g]ᵀ right[t, g]</c>, fp32 <c>[n/S, S, S]</c>, in the caller's scope.</summary>
    internal static Tensor Outer(Tensor left, Tensor right, int group, double factor)
    {
        var result = empty([left.shape[1] / group, group, group], ScalarType.Float32);
        var arguments = Of(left, right, result, factor);
        TorchThreads.Run(
            arguments.Columns / group,
            (long)arguments.Rows * group * group / 8,
            left.dtype == ScalarType.Float32 ? &Outer<Float32Lanes> : &Outer<BFloat16Lanes>,
            &arguments);
        return result;
    }

    private static Arguments Of(Tensor x, Tensor y, Tensor blocks, double factor) => new()
    {
        X = TensorMemory.Of(x),
        Y = TensorMemory.Of(y),
        Blocks = (float*)TensorMemory.Of(blocks),
        Rows = (int)x.shape[0],
        Columns = (int)x.shape[1],
        Group = (int)blocks.shape[1],
        Factor = (float)factor,
    };

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Add<T>(void* pointer, int from, int to) where T : struct, ILanes
    {
        var a = (Arguments*)pointer;
        var (n, s) = (a->Columns, a->Group);
        var rows = stackalloc float[Tokens * s];
        var factor = Vector256.Create(a->Factor);
        for (var index = from; index < to; index++)
        {
            var first = index * Tokens;
            var count = Math.Min(Tokens, a->Rows - first);
            for (var start = 0; start < n; start += s)
            {
                for (var t = 0; t < Tokens; t++)
                {
                    // Past the last row: that row again, not written.
                    var x = a->X + (((((nint)first + Math.Min(t, count - 1)) * n) + start) * T.Size);
                    for (var i = 0; i < s; i += ILanes.Count) T.Load(x, i).Store(rows + (t * s) + i);
                }

                var block = a->Blocks + ((nint)start * s);
                for (var column = 0; column < s; column += ILanes.Count)
                {
                    var (sum0, sum1) = (Vector256<float>.Zero, Vector256<float>.Zero);
                    var (sum2, sum3) = (Vector256<float>.Zero, Vector256<float>.Zero);
                    for (var k = 0; k < s; k++)
                    {
                        var b = Vector256.Load(block + (k * s) + column);
                        sum0 = Vector256.FusedMultiplyAdd(Vector256.Create(rows[k]), b, sum0);
                        sum1 = Vector256.FusedMultiplyAdd(Vector256.Create(rows[s + k]), b, sum1);
                        sum2 = Vector256.FusedMultiplyAdd(Vector256.Create(rows[(2 * s) + k]), b, sum2);
                        sum3 = Vector256.FusedMultiplyAdd(Vector256.Create(rows[(3 * s) + k]), b, sum3);
                    }

                    var y = a->Y + ((((nint)first * n) + start) * T.Size);
                    var stride = (nint)n * T.Size;
                    T.Store(y, column, Vector256.FusedMultiplyAdd(sum0, factor, T.Load(y, column)));
                    if (count > 1) T.Store(y + stride, column, Vector256.FusedMultiplyAdd(sum1, factor, T.Load(y + stride, column)));
                    if (count > 2)
                        T.Store(y + (2 * stride), column, Vector256.FusedMultiplyAdd(sum2, factor, T.Load(y + (2 * stride), column)));
                    if (count > 3)
                        T.Store(y + (3 * stride), column, Vector256.FusedMultiplyAdd(sum3, factor, T.Load(y + (3 * stride), column)));
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Outer<T>(void* pointer, int from, int to) where T : struct, ILanes
    {
        var a = (Arguments*)pointer;
        var (n, s) = (a->Columns, a->Group);
        var left = stackalloc float[Stretch * s];
        var right = stackalloc float[Stretch * s];
        var factor = Vector256.Create(a->Factor);
        for (var group = from; group < to; group++)
        {
            var result = a->Blocks + ((nint)group * s * s);
            new Span<float>(result, s * s).Clear();
            for (var first = 0; first < a->Rows; first += Stretch)
            {
                var count = Math.Min(Stretch, a->Rows - first);
                for (var t = 0; t < count; t++)
                {
                    var offset = ((((nint)first + t) * n) + (group * s)) * T.Size;
                    for (var i = 0; i < s; i += ILanes.Count)
                    {
                        T.Load(a->X + offset, i).Store(left + (t * s) + i);
                        T.Load(a->Y + offset, i).Store(right + (t * s) + i);
                    }
                }

                for (var row = 0; row < s; row += 4)
                {
                    for (var column = 0; column < s; column += ILanes.Count)
                    {
                        var at = result + (row * s) + column;
                        var (sum0, sum1) = (Vector256.Load(at), Vector256.Load(at + s));
                        var (sum2, sum3) = (Vector256.Load(at + (2 * s)), Vector256.Load(at + (3 * s)));
                        for (var t = 0; t < count; t++)
                        {
                            var r = Vector256.Load(right + (t * s) + column);
                            var l = left + (t * s) + row;
                            sum0 = Vector256.FusedMultiplyAdd(Vector256.Create(l[0]), r, sum0);
                            sum1 = Vector256.FusedMultiplyAdd(Vector256.Create(l[1]), r, sum1);
                            sum2 = Vector256.FusedMultiplyAdd(Vector256.Create(l[2]), r, sum2);
                            sum3 = Vector256.FusedMultiplyAdd(Vector256.Create(l[3]), r, sum3);
                        }

                        sum0.Store(at);
                        sum1.Store(at + s);
                        sum2.Store(at + (2 * s));
                        sum3.Store(at + (3 * s));
                    }
                }
            }

            for (var i = 0; i < s * s; i += ILanes.Count) (Vector256.Load(result + i) * factor).Store(result + i);
        }
    }
}
