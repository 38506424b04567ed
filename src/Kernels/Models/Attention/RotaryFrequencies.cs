using Peft.Orleans.Data.Models.Rope;

namespace Peft.Orleans.Kernels.Models.Attention;

/// <summary>How far the elements of a head turn a position.</summary>
internal static class RotaryFrequencies
{
    /// <summary>Radians a position of each pair of elements, <c>[head_dim / 2]</c>.</summary>
    /// <param name="headDim">Elements of a head.</param>
    /// <param name="theta">Base.</param>
    /// <param name="scaling">How they are stretched.</param>
    /// <param name="length">Tokens of the sequence; read by <see cref="RopeKind.Dynamic"/>.</param>
    internal static float[] Of(int headDim, double theta, RopeScaling scaling, int length)
    {
        var half = headDim / 2;
        if (scaling.Kind == RopeKind.Dynamic && length > scaling.OriginalMaxPositionEmbeddings)
        {
            var stretch = (scaling.Factor * length / scaling.OriginalMaxPositionEmbeddings) - (scaling.Factor - 1);
            theta *= Math.Pow(stretch, headDim / (headDim - 2.0));
        }

        var frequencies = new float[half];
        for (var i = 0; i < half; i++) frequencies[i] = (float)(1.0 / Math.Pow(theta, 2.0 * i / headDim));
        switch (scaling.Kind)
        {
            case RopeKind.Linear:
                for (var i = 0; i < half; i++) frequencies[i] = (float)(frequencies[i] / scaling.Factor);
                break;
            case RopeKind.Llama3:
                for (var i = 0; i < half; i++) frequencies[i] = Llama3(frequencies[i], scaling);
                break;
            case RopeKind.Yarn:
                Yarn(frequencies, headDim, theta, scaling);
                break;
        }

        return frequencies;
    }

    private static float Llama3(float frequency, RopeScaling scaling)
    {
        var wavelength = 2 * Math.PI / frequency;
        var original = scaling.OriginalMaxPositionEmbeddings;
        if (wavelength > original / scaling.LowFreqFactor) return (float)(frequency / scaling.Factor);
        if (wavelength < original / scaling.HighFreqFactor) return frequency;
        var smooth = ((original / wavelength) - scaling.LowFreqFactor) / (scaling.HighFreqFactor - scaling.LowFreqFactor);
        return (float)(((1 - smooth) * frequency / scaling.Factor) + (smooth * frequency));
    }

    /// <summary>YaRN (arXiv 2309.00071, section 3.2): kept below the ramp, divided above it.</summary>
    private static void Yarn(float[] frequencies, int headDim, double theta, RopeScaling scaling)
    {
        var (low, high) = (Dimension(scaling.BetaFast), Dimension(scaling.BetaSlow));
        if (scaling.Truncate) (low, high) = (Math.Floor(low), Math.Ceiling(high));
        (low, high) = (Math.Max(low, 0), Math.Min(high, headDim - 1));
        if (low == high) high += 0.001;
        for (var i = 0; i < frequencies.Length; i++)
        {
            var divided = Math.Clamp((i - low) / (high - low), 0, 1);
            frequencies[i] = (float)((frequencies[i] / scaling.Factor * divided) + (frequencies[i] * (1 - divided)));
        }

        // The dimension that turns so often over the trained length.
        double Dimension(double rotations) =>
            headDim * Math.Log(scaling.OriginalMaxPositionEmbeddings / (rotations * 2 * Math.PI)) / (2 * Math.Log(theta));
    }
}
