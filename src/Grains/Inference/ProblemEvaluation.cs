using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.ChatTemplates;
using Peft.Orleans.Data.Datasets;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Grains.Inference;

/// <summary>Answers held-out problems greedily and counts the right ones.</summary>
internal static class ProblemEvaluation
{
    /// <summary>Fraction answered correctly, and the number of problems.</summary>
    internal static async Task<(double Correct, int Problems)> Run(PipelineCaller caller, RunSpec spec, EvaluationSource source)
    {
        var model = ModelFolder.Open(spec.Model.Path);
        var tokenizer = model.Tokenizer;
        var problems = EvaluationProblems.Read(source.Path);
        var prompts = problems.Select(problem => tokenizer.Encode(problem.Prompt, addSpecialTokens: true)).ToArray();
        var answers = await caller.Generate(
            new GenerationRequest(prompts, source.MaxNewTokens, [.. TrainedPrompts.OfRun(spec).EndTokens(model)], 0, 1, 0)
        );
        var correct = problems
            .Where(
                (problem, i) =>
                    EvaluationProblems.IsCorrect(
                        source.Metric,
                        tokenizer.Decode(answers[i].Ids, skipSpecialTokens: true),
                        problem.Completion
                    )
            )
            .Count();
        return ((double)correct / problems.Count, problems.Count);
    }
}
