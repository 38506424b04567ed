namespace Peft.Orleans.Data.Models.Rope;

/// <summary>How rotary frequencies are stretched beyond the trained length.</summary>
public enum RopeKind
{
    /// <summary>Not at all.</summary>
    None,

    /// <summary>All frequencies divided by the factor.</summary>
    Linear,

    /// <summary>Llama 3: low frequencies divided by the factor, high ones kept, a ramp between.</summary>
    Llama3,

    /// <summary>YaRN: the same with a ramp over dimensions, and cosine and sine times the attention factor.</summary>
    Yarn,

    /// <summary>A sequence longer than the trained length has a base that grows with its length, at all its positions.</summary>
    Dynamic,
}

/// <summary>RoPE scaling.</summary>
/// <param name="Kind">Kind.</param>
/// <param name="Factor">Factor of every kind but <see cref="RopeKind.None"/>.</param>
/// <param name="LowFreqFactor">Llama 3: wavelengths above original length / this are divided.</param>
/// <param name="HighFreqFactor">Llama 3: wavelengths below original length / this are kept.</param>
/// <param name="OriginalMaxPositionEmbeddings">The trained length, in tokens; 0 where the kind does not ask for it.</param>
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

    /// <summary>YaRN: cosine and sine are multiplied by this.</summary>
    public double AttentionFactor { get; init; } = 1;

    /// <summary>YaRN: dimensions that turn more often than this over the trained length are kept.</summary>
    public double BetaFast { get; init; } = 32;

    /// <summary>YaRN: dimensions that turn less often than this over the trained length are divided.</summary>
    public double BetaSlow { get; init; } = 1;

    /// <summary>YaRN: whether the ramp's ends are whole dimensions.</summary>
    public bool Truncate { get; init; } = true;
}
