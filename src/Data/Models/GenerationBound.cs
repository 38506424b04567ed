using Peft.Orleans.Core;

namespace Peft.Orleans.Data.Models;

/// <summary>Beyond how many tokens a model does not generate.</summary>
/// <param name="Tokens">Tokens of prompt and answer together.</param>
/// <param name="Reason">Why.</param>
public sealed record GenerationBound(int Tokens, string Reason)
{
    /// <summary>Refuses a prompt whose answer may be longer.</summary>
    /// <param name="prompt">Tokens of the prompt.</param>
    /// <param name="more">Most tokens of the answer.</param>
    /// <param name="option">What sets that number.</param>
    /// <param name="place">Where the prompt is, for the message's beginning.</param>
    /// <exception cref="PeftException">Names both numbers, the reason and the remedy.</exception>
    public void Require(int prompt, int more, string option, string place = "")
    {
        if (prompt + more <= Tokens) return;
        var remedy = prompt < Tokens ? $"at most {option} {Tokens - prompt} for this prompt" : "shorten the prompt";
        throw new PeftException($"{place}a prompt of {prompt} tokens and {more} more are above {Tokens}: {Reason}; {remedy}");
    }
}
