using Peft.Orleans.Core.Batches;
using Peft.Orleans.Kernels.Versions;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models;

/// <summary>The last role of a pass: final norm, head, loss.</summary>
public interface IHead
{
    /// <summary>
    /// Cross-entropy. With a <paramref name="scale"/> (1 / target tokens of the whole global batch) also dL/dx of the scaled loss, the
    /// head's own gradient being added to <paramref name="gradient"/>; with null only the loss.
    /// </summary>
    HeadResult Loss(LayerVersion version, Tensor x, Microbatch batch, double? scale, Tensor? gradient);

    /// <summary>Log-likelihood of each row's targets, their number, and whether every target is the most likely token.</summary>
    IReadOnlyList<(double LogLikelihood, int Tokens, bool IsGreedy)> Score(LayerVersion version, Tensor x, Microbatch batch);

    /// <summary>
    /// fp32 logits of the last position of each row, <c>[rows, vocabulary]</c>; <paramref name="x"/> is <c>[rows, columns, hidden]</c>.
    /// </summary>
    Tensor LastLogits(LayerVersion version, Tensor x);
}

/// <summary>What the head returns of a microbatch.</summary>
/// <param name="LossSum">Sum of the token losses (natural logarithm), not normalised.</param>
/// <param name="TargetTokens">Number of targets.</param>
/// <param name="InputGradient">dL/dx of the scaled loss, or null in evaluation. Owned by the caller.</param>
public readonly record struct HeadResult(double LossSum, int TargetTokens, Tensor? InputGradient);
