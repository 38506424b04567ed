using Peft.Orleans.Data.Models.Rope;
using Peft.Orleans.Kernels.Loops.Attention;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models.Attention;

/// <summary>cos and sin of the rotary angles, fp32 <c>[positions, head_dim / 2]</c>, made once and grown by doubling.</summary>
/// <param name="headDim">Elements of a head.</param>
/// <param name="theta">Base of the frequencies: element i turns by theta^(−2i / head_dim) a position.</param>
/// <param name="scaling">How they are stretched.</param>
/// <param name="device">Where the tables lie.</param>
internal sealed class RotaryTable(int headDim, double theta, RopeScaling scaling, Device device) : IDisposable
{
    private Angles? table;
    private Angles? stretched;

    /// <summary>Of positions [start, start + length) of a sequence that is not beyond the trained length where that matters.</summary>
    /// <returns>Views that belong to the caller's scope.</returns>
    internal Angles At(long start, long length)
    {
        if (table is null || table.Value.Cos.shape[0] < start + length)
        {
            var positions = (int)Math.Max(256, System.Numerics.BitOperations.RoundUpToPowerOf2((ulong)(start + length)));
            Replace(ref table, positions, 0);
        }

        return Rows(table!.Value, start, length);
    }

    /// <summary>Of all positions of a sequence. Views that belong to the caller's scope.</summary>
    internal Angles Of(int length)
    {
        if (!DependsOnLength(length)) return At(0, length);
        // One is kept: most batches have one length, and the others cost less than the attention they serve.
        if (stretched is null || stretched.Value.Cos.shape[0] != length) Replace(ref stretched, length, length);
        return Rows(stretched!.Value, 0, length);
    }

    /// <summary>Whether a sequence of so many tokens has angles of its own.</summary>
    internal bool DependsOnLength(int length) => scaling.Kind == RopeKind.Dynamic && length > scaling.OriginalMaxPositionEmbeddings;

    public void Dispose()
    {
        foreach (var angles in new[] { table, stretched })
        {
            angles?.Cos.Dispose();
            angles?.Sin.Dispose();
        }
    }

    private static Angles Rows(Angles all, long start, long length) =>
        new(all.Cos.narrow(0, start, length), all.Sin.narrow(0, start, length));

    private void Replace(ref Angles? angles, int positions, int sequence)
    {
        angles?.Cos.Dispose();
        angles?.Sin.Dispose();
        angles = Make(RotaryFrequencies.Of(headDim, theta, scaling, sequence), positions);
    }

    private Angles Make(float[] frequencies, int positions)
    {
        var half = frequencies.Length;
        var (c, s, factor) = (new float[positions * half], new float[positions * half], (float)scaling.AttentionFactor);
        for (var p = 0; p < positions; p++)
        {
            for (var i = 0; i < half; i++)
            {
                // The angle in fp32, as the reference models have it.
                var angle = (double)((float)p * frequencies[i]);
                c[(p * half) + i] = (float)Math.Cos(angle) * factor;
                s[(p * half) + i] = (float)Math.Sin(angle) * factor;
            }
        }

        return new Angles(
            tensor(c, [positions, half], device: device).DetachFromDisposeScope(),
            tensor(s, [positions, half], device: device).DetachFromDisposeScope());
    }
}
