namespace Peft.Orleans.Data.Problems;

/// <summary>A set of word problems.</summary>
public enum ProblemSet
{
    /// <summary>The wordings a model is pretrained on; no held-out number pair occurs.</summary>
    Pretraining,

    /// <summary>The same wordings with held-out number pairs only.</summary>
    PretrainingEvaluation,

    /// <summary>Other wordings, to be learned by fine-tuning; no held-out number pair occurs.</summary>
    Shifted,

    /// <summary>The other wordings with held-out number pairs only.</summary>
    ShiftedEvaluation,
}

/// <summary>A word problem.</summary>
/// <param name="Prompt">The story and its question.</param>
/// <param name="Completion">The answer, such as <c> 12 + 7 = 19.</c>.</param>
/// <param name="Left">First operand.</param>
/// <param name="Right">Second operand.</param>
public sealed record ArithmeticProblem(string Prompt, string Completion, int Left, int Right);
