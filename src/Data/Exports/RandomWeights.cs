using System.Runtime.InteropServices;
using System.Text;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Datasets;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.SafeTensors;

namespace Peft.Orleans.Data.Exports;

/// <summary>
/// Weights as Hugging Face initialises them: matrices normal with the configuration's <c>initializer_range</c>, scales of norms 1, shifts
/// and biases 0. A value depends on seed, tensor and place alone; tensors are made piece by piece as they are written, never held.
/// </summary>
/// <param name="seed">Seed.</param>
/// <param name="deviation">Standard deviation of matrices.</param>
/// <param name="dtype">Type in which they are written.</param>
/// <param name="made">Called with the bytes of each piece that has been written; may come from any thread, one at a time.</param>
internal sealed class RandomWeights(long seed, double deviation, WeightType dtype, Action<long> made)
{
    private const int PieceElements = 1 << 20;

    private readonly int width = dtype == WeightType.Float32 ? 4 : 2;

    // A piece for each processor, made at once and written in order.
    private readonly byte[][] pieces = [.. Enumerable.Range(0, Environment.ProcessorCount).Select(_ => new byte[PieceElements * 4])];

    /// <summary>A tensor that is made as it is written.</summary>
    internal SafeTensorsTensor Tensor(string name, long[] shape, TensorKind kind) =>
        new(name, StoredAs, shape, stream => Write(stream, name, shape.Aggregate(1L, static (a, b) => a * b), kind));

    private SafeTensorsType StoredAs => dtype switch
    {
        WeightType.BFloat16 => SafeTensorsType.BF16,
        WeightType.Float16 => SafeTensorsType.F16,
        _ => SafeTensorsType.F32,
    };

    private void Write(Stream stream, string name, long elements, TensorKind kind)
    {
        var key = Hash(name);
        var count = (int)((elements + PieceElements - 1) / PieceElements);
        for (var first = 0; first < count; first += pieces.Length)
        {
            var batch = Math.Min(pieces.Length, count - first);
            Parallel.For(0, batch, i => Fill(pieces[i], key, first + i, Size(first + i), kind));
            for (var i = 0; i < batch; i++)
            {
                stream.Write(pieces[i], 0, Size(first + i) * width);
                made((long)Size(first + i) * width);
            }
        }

        int Size(int piece) => (int)Math.Min(PieceElements, elements - ((long)piece * PieceElements));
    }

    private void Fill(byte[] piece, ulong key, int index, int size, TensorKind kind)
    {
        var random = new SplitMix64((ulong)seed, key, (ulong)index);
        var constant = kind == TensorKind.NormWeight ? 1f : 0f;
        var normal = kind is TensorKind.LinearWeight or TensorKind.Embedding or TensorKind.Head;
        for (var i = 0; i < size; i += 2)
        {
            var (one, two) = normal ? Pair(random.Next()) : (constant, constant);
            Store(piece, i, one);
            if (i + 1 < size) Store(piece, i + 1, two);
        }
    }

    /// <summary>Two normal numbers of 64 random bits (Box and Muller 1958).</summary>
    private (float, float) Pair(ulong bits)
    {
        // In (0, 1]: the logarithm is finite.
        var radius = deviation * MathF.Sqrt(-2 * MathF.Log(((bits >> 40) + 1) * (1f / (1 << 24))));
        var (sine, cosine) = MathF.SinCos((bits & 0xFFFFFF) * (2 * MathF.PI / (1 << 24)));
        return ((float)(radius * sine), (float)(radius * cosine));
    }

    private void Store(byte[] piece, int index, float value)
    {
        switch (dtype)
        {
            case WeightType.BFloat16:
                // To the nearest, ties to even.
                var bits = BitConverter.SingleToUInt32Bits(value);
                MemoryMarshal.Cast<byte, ushort>(piece.AsSpan())[index] = (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
                break;
            case WeightType.Float16:
                MemoryMarshal.Cast<byte, Half>(piece.AsSpan())[index] = (Half)value;
                break;
            default:
                MemoryMarshal.Cast<byte, float>(piece.AsSpan())[index] = value;
                break;
        }
    }

    /// <summary>FNV-1a.</summary>
    private static ulong Hash(string name)
    {
        var hash = 0xCBF29CE484222325;
        foreach (var letter in Encoding.UTF8.GetBytes(name)) hash = (hash ^ letter) * 0x100000001B3;
        return hash;
    }
}
