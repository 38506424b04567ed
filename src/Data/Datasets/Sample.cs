using Peft.Orleans.Core.Batches;

namespace Peft.Orleans.Data.Datasets;

/// <summary>A tokenised sample.</summary>
/// <param name="Ids">Token ids.</param>
/// <param name="Labels">Labels, unshifted.</param>
/// <param name="Line">The line it comes from.</param>
internal sealed record Sample(int[] Ids, int[] Labels, int Line)
{
    /// <summary>Number of learned tokens; the first token is predicted by nothing.</summary>
    public int Targets => Labels.Skip(1).Count(static label => label != Microbatch.Masked);

    /// <summary>The sample cut to its first tokens.</summary>
    public Sample Truncate(int length) => this with { Ids = Ids[..length], Labels = Labels[..length] };
}

/// <summary>A row: one sample, or several that are packed.</summary>
/// <param name="Samples">Its samples, in order.</param>
internal sealed record Row(Sample[] Samples)
{
    /// <summary>Number of tokens.</summary>
    public int Length { get; } = Samples.Sum(static sample => sample.Ids.Length);

    /// <summary>Number of learned tokens.</summary>
    public int Targets { get; } = Samples.Sum(static sample => sample.Targets);
}
