namespace Peft.Orleans.Data.Models;

/// <summary>How rotary frequencies are stretched beyond the trained length.</summary>
public enum RopeKind
{
    /// <summary>Not at all.</summary>
    None,

    /// <summary>All frequencies divided by the factor.</summary>
    Linear,

    /// <summary>Llama 3: low frequencies divided by the factor, high ones kept, a ramp between.</summary>
    Llama3,
}

/// <summary>RoPE scaling.</summary>
/// <param name="Kind">Kind.</param>
/// <param name="Factor">Factor of <see cref="RopeKind.Linear"/> and <see cref="RopeKind.Llama3"/>.</param>
/// <param name="LowFreqFactor">Llama 3: wavelengths above original length / this are divided.</param>
/// <param name="HighFreqFactor">Llama 3: wavelengths below original length / this are kept.</param>
/// <param name="OriginalMaxPositionEmbeddings">Llama 3: the trained length.</param>
public sealed record RopeScaling(
    RopeKind Kind,
    double Factor = 1,
    double LowFreqFactor = 1,
    double HighFreqFactor = 1,
    int OriginalMaxPositionEmbeddings = 0
)
{
    /// <summary>No scaling.</summary>
    public static readonly RopeScaling None = new(RopeKind.None);
}
