using Peft.Orleans.Core;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Grains.Terms;
using Peft.Orleans.Grains.Tests.Runs;

namespace Peft.Orleans.Grains.Tests.Terms;

/// <summary>What is written and counted of committed steps.</summary>
public sealed class CommitsTests : IDisposable
{
    private readonly CoordinatedRun run = new(new FakeSilos(40, "a", "b"));

    [Theory]
    [InlineData(false, "started")]
    [InlineData(true, "recovered")]
    public async Task The_version_a_term_begins_with_is_no_progress_and_the_first_after_it_is_told_once(bool recovering, string told)
    {
        var (commits, _) = await Begin(target: 2, recovering);
        await commits.Take(Step(2), validated: false);
        Assert.False(commits.Any);
        Assert.Empty(run.Events(told));
        foreach (var step in new[] { 3, 4 }) await commits.Take(Step(step), validated: false);
        Assert.True(commits.Any);
        Assert.Equal(3, Assert.Single(run.Events(told)).GetProperty("step").GetInt32());
        Assert.Equal([2, 3, 4], run.Steps);
    }

    [Fact]
    public async Task The_line_of_a_step_that_is_validated_waits_for_the_loss()
    {
        var (commits, journals) = await Begin(target: 0);
        await commits.Take(Step(1), validated: true);
        Assert.Empty(run.Steps);
        journals.Validated(0.5);
        await journals.Flush();
        Assert.Equal(0.5, Assert.Single(StepLines.ReadAll(File.ReadLines(run.Folder.Metrics))).ValidationLoss);
    }

    [Fact]
    public async Task The_pace_is_that_of_the_last_twenty_steps()
    {
        var (commits, _) = await Begin(target: 0);
        Assert.Equal(0, commits.TokensPerSecond);
        for (var step = 1; step <= 30; step++) await commits.Take(Step(step, seconds: step <= 10 ? 100 : 2), validated: false);
        Assert.Equal(5, commits.TokensPerSecond);
    }

    [Fact]
    public async Task A_step_made_again_with_another_loss_stops_the_run()
    {
        var (commits, _) = await Begin(target: 0);
        await commits.Take(Step(1), validated: false);
        await commits.Take(Step(1), validated: false);
        Assert.Equal([1], run.Steps);
        var error = await Assert.ThrowsAsync<PeftException>(() => commits.Take(Step(1) with { Loss = 7 }, validated: false));
        Assert.Contains("step 1 was made again and its loss is 7, not 3", error.Message, StringComparison.Ordinal);
    }

    public void Dispose() => run.Dispose();

    private static StepRecord Step(int step, double seconds = 1) => new()
    {
        Step = step,
        Loss = 3,
        LearningRate = 0.1,
        GradientNorm = 1,
        Tokens = 10,
        TargetTokens = 10,
        Seconds = seconds,
        Term = 1,
        Silos = 2,
    };

    private async Task<(Commits Commits, RunJournals Journals)> Begin(int target, bool recovering = false)
    {
        var term = await run.Context(recovering);
        var journals = run.Journals(term);
        journals.Begin(CoordinatedRun.Plan(term), target);
        return (new Commits(term, journals, new TermTimes()), journals);
    }
}
