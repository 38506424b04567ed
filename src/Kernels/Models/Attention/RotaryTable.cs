using Peft.Orleans.Data.Models;
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
    private Tensor? cos;
    private Tensor? sin;

    /// <summary>Of positions [start, start + length); views that belong to the caller's scope.</summary>
    internal Angles At(long start, long length)
    {
        if (cos is null || cos.shape[0] < start + length)
            Grow((int)Math.Max(256, System.Numerics.BitOperations.RoundUpToPowerOf2((ulong)(start + length))));
        return new Angles(cos!.narrow(0, start, length), sin!.narrow(0, start, length));
    }

    public void Dispose()
    {
        cos?.Dispose();
        sin?.Dispose();
    }

    private void Grow(int positions)
    {
        var half = headDim / 2;
        var frequencies = new float[half];
        for (var i = 0; i < half; i++) frequencies[i] = Scale((float)(1.0 / Math.Pow(theta, 2.0 * i / headDim)));
        var (c, s) = (new float[positions * half], new float[positions * half]);
        for (var p = 0; p < positions; p++)
        {
            for (var i = 0; i < half; i++)
            {
                // The angle in fp32, as the reference models have it.
                var angle = (double)((float)p * frequencies[i]);
                c[(p * half) + i] = (float)Math.Cos(angle);
                s[(p * half) + i] = (float)Math.Sin(angle);
            }
        }

        Dispose();
        cos = tensor(c, [positions, half], device: device).DetachFromDisposeScope();
        sin = tensor(s, [positions, half], device: device).DetachFromDisposeScope();
    }

    private float Scale(float frequency)
    {
        switch (scaling.Kind)
        {
            case RopeKind.Linear:
                return (float)(frequency / scaling.Factor);
            case RopeKind.Llama3:
                var wavelength = 2 * Math.PI / frequency;
                var original = scaling.OriginalMaxPositionEmbeddings;
                if (wavelength > original / scaling.LowFreqFactor) return (float)(frequency / scaling.Factor);
                if (wavelength < original / scaling.HighFreqFactor) return frequency;
                var smooth = ((original / wavelength) - scaling.LowFreqFactor) / (scaling.HighFreqFactor - scaling.LowFreqFactor);
                return (float)(((1 - smooth) * frequency / scaling.Factor) + (smooth * frequency));
            default:
                return frequency;
        }
    }
}
