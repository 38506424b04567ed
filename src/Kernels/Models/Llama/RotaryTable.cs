using Peft.Orleans.Data.Models.Llama;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models.Llama;

/// <summary>cos and sin of the rotary angles, fp32 <c>[positions, head_dim / 2]</c>, made once and grown by doubling.</summary>
internal sealed class RotaryTable(LlamaConfig config, Device device) : IDisposable
{
    private Tensor? cos;
    private Tensor? sin;

    /// <summary>cos and sin of positions [start, start + length); views that belong to the caller's scope.</summary>
    internal (Tensor Cos, Tensor Sin) At(long start, long length)
    {
        if (cos is null || cos.shape[0] < start + length) Grow((int)Math.Max(256, System.Numerics.BitOperations.RoundUpToPowerOf2((ulong)(start + length))));
        return (cos!.narrow(0, start, length), sin!.narrow(0, start, length));
    }

    /// <summary>
    /// Rotates the two halves of the last dimension in place by the angle (<paramref name="sign"/> +1) or back (−1):
    /// <c>x [.., positions, (..), head_dim]</c>, cos and sin broadcast against it.
    /// </summary>
    internal static void Rotate(Tensor x, Tensor cos, Tensor sin, int sign)
    {
        var half = x.shape[^1] / 2;
        var first = x.narrow(-1, 0, half);
        var second = x.narrow(-1, half, half);
        var former = first.clone();
        first.mul_(cos).addcmul_(second, sin, Held(-sign));
        second.mul_(cos).addcmul_(former, sin, Held(sign));
    }

    public void Dispose()
    {
        cos?.Dispose();
        sin?.Dispose();
    }

    private void Grow(int positions)
    {
        var half = config.HeadDim / 2;
        var frequencies = new float[half];
        for (var i = 0; i < half; i++) frequencies[i] = Scale((float)(1.0 / Math.Pow(config.RopeTheta, 2.0 * i / config.HeadDim)));
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
        var scaling = config.RopeScaling;
        switch (scaling.Kind)
        {
            case RopeKind.Linear:
                return (float)(frequency / scaling.Factor);
            case RopeKind.Llama3:
                var wavelength = 2 * Math.PI / frequency;
                if (wavelength > scaling.OriginalMaxPositionEmbeddings / scaling.LowFreqFactor) return (float)(frequency / scaling.Factor);
                if (wavelength < scaling.OriginalMaxPositionEmbeddings / scaling.HighFreqFactor) return frequency;
                var smooth = ((scaling.OriginalMaxPositionEmbeddings / wavelength) - scaling.LowFreqFactor) / (scaling.HighFreqFactor - scaling.LowFreqFactor);
                return (float)(((1 - smooth) * frequency / scaling.Factor) + (smooth * frequency));
            default:
                return frequency;
        }
    }
}
