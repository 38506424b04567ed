using System.Text.RegularExpressions;
using Peft.Orleans.Data.Datasets;
using Peft.Orleans.Data.Problems;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Data.Tests.Problems;

public sealed class ArithmeticProblemsTests
{
    [Theory]
    [InlineData(ProblemSet.Pretraining, false)]
    [InlineData(ProblemSet.PretrainingEvaluation, true)]
    [InlineData(ProblemSet.Shifted, false)]
    [InlineData(ProblemSet.ShiftedEvaluation, true)]
    public void AnswersAreRightAndHeldOutPairsStayOut(ProblemSet set, bool evaluation)
    {
        foreach (var problem in ArithmeticProblems.Generate(set, 2000, 5))
        {
            var numbers = Regex.Matches(problem.Completion, @"\d+").Select(static m => int.Parse(m.Value, null)).ToArray();
            Assert.Equal(3, numbers.Length);
            Assert.Equal(
                problem.Completion.Contains('+', StringComparison.Ordinal) ? numbers[0] + numbers[1] : numbers[0] - numbers[1],
                numbers[2]
            );
            Assert.True(numbers[2] >= 0);
            Assert.Equal(evaluation, ArithmeticProblems.IsHeldOut(numbers[0], numbers[1]));
            Assert.Equal(evaluation, ArithmeticProblems.IsHeldOut(numbers[1], numbers[0]));
            // The story itself names exactly these numbers, in either order.
            Assert.Equal(numbers[..2].Order(), Regex.Matches(problem.Prompt, @"\d+").Select(static m => int.Parse(m.Value, null)).Order());
            Assert.True(problem.Prompt.Length <= 90, problem.Prompt);
            Assert.DoesNotContain('{', problem.Prompt);
        }
    }

    [Fact]
    public void EvaluationProblemsAreAllDifferent()
    {
        var prompts = ArithmeticProblems.Generate(ProblemSet.ShiftedEvaluation, 500, 1).Select(static p => p.Prompt).ToArray();
        Assert.Equal(prompts.Length, prompts.Distinct().Count());
    }

    [Fact]
    public void AboutOnePairInTenIsHeldOut()
    {
        var pairs = Enumerable.Range(1, 99).SelectMany(static a => Enumerable.Range(1, a).Select(b => (a, b))).ToArray();
        Assert.InRange(pairs.Count(static p => ArithmeticProblems.IsHeldOut(p.a, p.b)) / (double)pairs.Length, 0.08, 0.12);
    }

    [Fact]
    public void WordingsShareNeitherNamesNorObjectsNorStories()
    {
        Assert.Empty(Wordings.Pretraining.Names.Intersect(Wordings.Shifted.Names));
        Assert.Empty(Wordings.Pretraining.Objects.Intersect(Wordings.Shifted.Objects));
        Assert.Empty(
            Wordings
                .Pretraining.Additions.Concat(Wordings.Pretraining.Subtractions)
                .Intersect(Wordings.Shifted.Additions.Concat(Wordings.Shifted.Subtractions))
        );
    }

    [Fact]
    public void FilesAreAFunctionOfTheSeed()
    {
        using var folder = new TemporaryFolder();
        ArithmeticProblems.WriteProblems(folder.File("a"), ProblemSet.Shifted, 50, 3);
        ArithmeticProblems.WriteProblems(folder.File("b"), ProblemSet.Shifted, 50, 3);
        ArithmeticProblems.WriteProblems(folder.File("c"), ProblemSet.Shifted, 50, 4);
        Assert.Equal(File.ReadAllText(folder.File("a")), File.ReadAllText(folder.File("b")));
        Assert.NotEqual(File.ReadAllText(folder.File("a")), File.ReadAllText(folder.File("c")));
        var expected = ArithmeticProblems
            .Generate(ProblemSet.Shifted, 50, 3)
            .Select(static p => new EvaluationProblem(p.Prompt, p.Completion));
        Assert.Equal(expected, EvaluationProblems.Read(folder.File("a")));
    }

    [Fact]
    public void TheTokenizerIsOneTokenACharacter()
    {
        using var folder = new TemporaryFolder();
        var size = ArithmeticProblems.WriteTokenizer(folder.Path);
        var tokenizer = TokenizerLoader.Load(folder.Path);
        Assert.Equal((size, 1, 2), (tokenizer.VocabularySize, tokenizer.BosId, tokenizer.EosId));
        var text = string.Concat(Enumerable.Range(' ', 95).Select(static c => (char)c)) + "\n x  y";
        var ids = tokenizer.Encode(text, addSpecialTokens: true);
        Assert.Equal(1 + text.Length, ids.Length);
        Assert.Equal(1, ids[0]);
        Assert.Equal(text, tokenizer.Decode(ids, skipSpecialTokens: true));
        Assert.Equal("<s>a</s>", tokenizer.Decode([1, .. tokenizer.Encode("a", addSpecialTokens: false), 2], skipSpecialTokens: false));
        Assert.Equal([0], tokenizer.Encode("é", addSpecialTokens: false));
    }
}
