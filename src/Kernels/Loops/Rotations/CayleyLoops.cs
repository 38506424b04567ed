using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Orleans.Kernels.Loops.Products;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Loops.Rotations;

/// <summary>
/// Composition of butterfly rotations with Cayley blocks and the way back of their gradient, group by group: all of a group's matrices fit
/// the nearest cache, where a batched product of libtorch would take each on a round of its own. Block sizes are multiples of eight.
/// </summary>
internal static unsafe class CayleyLoops
{
    private struct Arguments
    {
        internal float* Parameters;
        internal float* Blocks;
        internal float* Deviation;
        internal float* Transposed;
        internal float* Gradient;
        internal int* Places;
        internal int Block;
        internal int Group;
        internal int Groups;
        internal int Factors;
        internal float Eta;
    }

    /// <summary>
    /// From θ <c>[m, D, b(b−1)/2]</c>: the blocks <c>C = 2Z − I, Z = (I − ηQ)⁻¹</c>, <c>[m·D, b, b]</c>, R − I and its transpose
    /// <c>[groups, S, S]</c>; in the caller's scope. <paramref name="places"/> <c>[m, S]</c> (int32): where in a group the elements of a
    /// factor's blocks lie.
    /// </summary>
    internal static (Tensor Blocks, Tensor Deviation, Tensor Transposed) Compose(Tensor parameters, Tensor places, int block, double eta)
    {
        var (factors, group) = ((int)places.shape[0], (int)places.shape[1]);
        var groups = (int)parameters.shape[1] * block / group;
        var count = parameters.shape[0] * parameters.shape[1];
        var c = empty([count, block, block], ScalarType.Float32);
        long[] shape = [groups, group, group];
        var (deviation, transposed) = (empty(shape, ScalarType.Float32), empty(shape, ScalarType.Float32));
        var arguments = Of(places, c, block, group, groups, factors, eta);
        arguments.Parameters = (float*)TensorMemory.Of(parameters);
        arguments.Deviation = (float*)TensorMemory.Of(deviation);
        arguments.Transposed = (float*)TensorMemory.Of(transposed);
        TorchThreads.Run(groups, (long)group * group * factors, &Compose, &arguments);
        return (c, deviation, transposed);
    }

    /// <summary>Adds dL/dθ to <paramref name="gradient"/> in place, from dL/dR <c>[groups, S, S]</c>.</summary>
    internal static void Gradient(Tensor dRotation, Tensor blocks, Tensor places, double eta, Tensor gradient)
    {
        var arguments = Of(
            places,
            blocks,
            (int)blocks.shape[1],
            (int)dRotation.shape[1],
            (int)dRotation.shape[0],
            (int)places.shape[0],
            eta);
        arguments.Deviation = (float*)TensorMemory.Of(dRotation);
        arguments.Gradient = (float*)TensorMemory.Of(gradient);
        TorchThreads.Run(arguments.Groups, (long)arguments.Group * arguments.Group * arguments.Factors, &Back, &arguments);
    }

    private static Arguments Of(Tensor places, Tensor blocks, int block, int group, int groups, int factors, double eta) => new()
    {
        Places = (int*)TensorMemory.Of(places),
        Blocks = (float*)TensorMemory.Of(blocks),
        Block = block,
        Group = group,
        Groups = groups,
        Factors = factors,
        Eta = (float)eta,
    };

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Compose(void* pointer, int from, int to)
    {
        var a = (Arguments*)pointer;
        var (b, s) = (a->Block, a->Group);
        var pairs = b * (b - 1) / 2;
        var work = stackalloc float[2 * b * b];
        var z = stackalloc float[b * b];
        var before = stackalloc float[s * s];
        var after = stackalloc float[s * s];
        for (var group = from; group < to; group++)
        {
            Identity(before, s);
            for (var factor = 0; factor < a->Factors; factor++)
            {
                for (var q = 0; q < s / b; q++)
                {
                    var index = ((nint)((factor * a->Groups) + group) * (s / b)) + q;
                    var c = a->Blocks + (index * b * b);
                    Invert(a->Parameters + (index * pairs), a->Eta, b, work, z);
                    // C = 2Z − I.
                    for (var i = 0; i < b * b; i += ILanes.Count) (Vector256.Load(z + i) + Vector256.Load(z + i)).Store(c + i);
                    for (var i = 0; i < b; i++) c[(i * b) + i] -= 1;
                }

                Mix(a, group, factor, before, after, transposed: false);
                var swap = before;
                before = after;
                after = swap;
            }

            var deviation = a->Deviation + ((nint)group * s * s);
            var transposed = a->Transposed + ((nint)group * s * s);
            for (var i = 0; i < s; i++) before[(i * s) + i] -= 1;
            new Span<float>(before, s * s).CopyTo(new Span<float>(deviation, s * s));
            for (var i = 0; i < s; i++)
                for (var j = 0; j < s; j++) transposed[(j * s) + i] = before[(i * s) + j];
        }
    }

    // dL/dM_i = (M_m ··· M_{i+1})ᵀ dR (M_{i−1} ··· M_1)ᵀ, of which only the blocks matter; dL/dQ = 2η Zᵀ (dL/dC) Zᵀ.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Back(void* pointer, int from, int to)
    {
        var a = (Arguments*)pointer;
        var (b, s) = (a->Block, a->Group);
        var befores = stackalloc float[a->Factors * s * s]; // M_{i−1} ··· M_1 of each factor
        var after = stackalloc float[s * s];
        var other = stackalloc float[s * s];
        var dC = stackalloc float[3 * b * b];
        for (var group = from; group < to; group++)
        {
            Identity(befores, s);
            for (var factor = 1; factor < a->Factors; factor++)
                Mix(a, group, factor - 1, befores + ((factor - 1) * s * s), befores + (factor * s * s), transposed: false);
            new Span<float>(a->Deviation + ((nint)group * s * s), s * s).CopyTo(new Span<float>(after, s * s));
            for (var factor = a->Factors - 1; factor >= 0; factor--)
            {
                var places = a->Places + (factor * s);
                var before = befores + (factor * s * s);
                for (var q = 0; q < s / b; q++)
                {
                    for (var row = 0; row < b; row++)
                    {
                        var left = after + (places[(q * b) + row] * s);
                        for (var column = 0; column < b; column++)
                        {
                            var place = places[(q * b) + column];
                            dC[(row * b) + column] = factor == 0 ? left[place] : Dot(left, before + (place * s), s);
                        }
                    }

                    var index = ((nint)((factor * a->Groups) + group) * (s / b)) + q;
                    Unskew(dC, a->Blocks + (index * b * b), b, 2 * a->Eta, a->Gradient + (index * (b * (b - 1) / 2)));
                }

                if (factor == 0) continue;
                Mix(a, group, factor, after, other, transposed: true);
                var swap = after;
                after = other;
                other = swap;
            }
        }
    }

    private static void Identity(float* matrix, int size)
    {
        new Span<float>(matrix, size * size).Clear();
        for (var i = 0; i < size; i++) matrix[(i * size) + i] = 1;
    }

    /// <summary>Rows of M_i X, or M_iᵀ X.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Mix(Arguments* a, int group, int factor, float* x, float* result, bool transposed)
    {
        var (b, s) = (a->Block, a->Group);
        var places = a->Places + (factor * s);
        for (var q = 0; q < s / b; q++)
        {
            var c = a->Blocks + ((((nint)((factor * a->Groups) + group) * (s / b)) + q) * b * b);
            for (var row = 0; row < b; row++)
            {
                var target = result + (places[(q * b) + row] * s);
                var i = 0;
                // Four sums at a time: one alone waits for each of its additions.
                for (; i + (4 * ILanes.Count) <= s; i += 4 * ILanes.Count)
                {
                    var (sum0, sum1) = (Vector256<float>.Zero, Vector256<float>.Zero);
                    var (sum2, sum3) = (Vector256<float>.Zero, Vector256<float>.Zero);
                    for (var k = 0; k < b; k++)
                    {
                        var factorOfRow = Vector256.Create(transposed ? c[(k * b) + row] : c[(row * b) + k]);
                        var source = x + (places[(q * b) + k] * s) + i;
                        sum0 = Vector256.FusedMultiplyAdd(factorOfRow, Vector256.Load(source), sum0);
                        sum1 = Vector256.FusedMultiplyAdd(factorOfRow, Vector256.Load(source + 8), sum1);
                        sum2 = Vector256.FusedMultiplyAdd(factorOfRow, Vector256.Load(source + 16), sum2);
                        sum3 = Vector256.FusedMultiplyAdd(factorOfRow, Vector256.Load(source + 24), sum3);
                    }

                    sum0.Store(target + i);
                    sum1.Store(target + i + 8);
                    sum2.Store(target + i + 16);
                    sum3.Store(target + i + 24);
                }

                for (; i < s; i += ILanes.Count)
                {
                    var sum = Vector256<float>.Zero;
                    for (var k = 0; k < b; k++)
                        sum = Vector256.FusedMultiplyAdd(
                            Vector256.Create(transposed ? c[(k * b) + row] : c[(row * b) + k]),
                            Vector256.Load(x + (places[(q * b) + k] * s) + i),
                            sum);
                    sum.Store(target + i);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Dot(float* left, float* right, int count)
    {
        var sum = Vector256<float>.Zero;
        for (var i = 0; i < count; i += ILanes.Count)
            sum = Vector256.FusedMultiplyAdd(Vector256.Load(left + i), Vector256.Load(right + i), sum);
        return Lanes.Sum(sum);
    }

    /// <summary>
    /// (I − ηQ)⁻¹ by elimination without exchanges: the symmetric part of I − ηQ is I, so every pivot is at least 1.
    /// <paramref name="work"/> holds b rows of 2b.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Invert(float* theta, float eta, int b, float* work, float* result)
    {
        new Span<float>(work, 2 * b * b).Clear();
        for (var i = 0; i < b; i++)
        {
            work[(i * 2 * b) + i] = 1;
            work[(i * 2 * b) + b + i] = 1;
            for (var j = i + 1; j < b; j++)
            {
                work[(i * 2 * b) + j] = -eta * *theta;
                work[(j * 2 * b) + i] = eta * *theta;
                theta++;
            }
        }

        for (var pivot = 0; pivot < b; pivot++)
        {
            var row = work + (pivot * 2 * b);
            var inverse = Vector256.Create(1 / row[pivot]);
            for (var i = 0; i < 2 * b; i += ILanes.Count) (Vector256.Load(row + i) * inverse).Store(row + i);
            for (var k = 0; k < b; k++)
            {
                if (k == pivot) continue;
                var target = work + (k * 2 * b);
                var factor = Vector256.Create(-target[pivot]);
                for (var i = 0; i < 2 * b; i += ILanes.Count)
                    Vector256.FusedMultiplyAdd(Vector256.Load(row + i), factor, Vector256.Load(target + i)).Store(target + i);
            }
        }

        for (var i = 0; i < b; i++) new Span<float>(work + (i * 2 * b) + b, b).CopyTo(new Span<float>(result + (i * b), b));
    }

    /// <summary>
    /// Adds factor · (X − Xᵀ) above the diagonal to the gradient, X = Zᵀ dC Zᵀ, Z = (C + I)/2; dC is followed by room for two more blocks.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Unskew(float* dC, float* c, int b, float factor, float* gradient)
    {
        var product = dC + (b * b);
        var transposed = dC + (2 * b * b);
        for (var i = 0; i < b; i++)
            for (var j = 0; j < b; j++) transposed[(j * b) + i] = 0.5f * (c[(i * b) + j] + (i == j ? 1 : 0));
        Multiply(transposed, dC, product, b);
        Multiply(product, transposed, dC, b);
        for (var i = 0; i < b; i++)
            for (var j = i + 1; j < b; j++) *gradient++ += factor * (dC[(i * b) + j] - dC[(j * b) + i]);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply(float* left, float* right, float* result, int b)
    {
        for (var row = 0; row < b; row++)
        {
            for (var i = 0; i < b; i += ILanes.Count)
            {
                var sum = Vector256<float>.Zero;
                for (var k = 0; k < b; k++)
                    sum = Vector256.FusedMultiplyAdd(Vector256.Create(left[(row * b) + k]), Vector256.Load(right + (k * b) + i), sum);
                sum.Store(result + (row * b) + i);
            }
        }
    }
}
