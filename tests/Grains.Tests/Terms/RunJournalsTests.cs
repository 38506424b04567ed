using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Grains.Tests.Runs;

namespace Peft.Orleans.Grains.Tests.Terms;

/// <summary>What a term finds in the files of a run that it opens: steps and samples that are lost, dropped, repeated.</summary>
public sealed class RunJournalsTests : IDisposable
{
    private readonly CoordinatedRun run = new(new FakeSilos(40, "a", "b"));

    [Fact]
    public async Task Files_that_are_whole_lack_nothing()
    {
        await Make(1, 4);
        await Open(target: 4);
        Assert.Equal((0, 0, 0), Found);
    }

    [Fact]
    public async Task A_committed_step_whose_line_is_gone_is_lost_wherever_it_stood()
    {
        await Make(1, 6);
        Remove(run.Folder.Metrics, 2, 6);
        // The silos hold version 6, so that 1 to 5 were committed.
        await Open(target: 6);
        Assert.Equal(1, Found.Lost);
        // This silo has reported step 6, and the term begins from a snapshot.
        run.Record.State.Status = run.Record.State.Status! with { Step = 6 };
        await Open(target: 3);
        Assert.Equal(2, Found.Lost);
    }

    [Fact]
    public async Task Samples_without_a_line_are_dropped_and_those_with_two_repeated()
    {
        await Make(1, 5);
        Remove(run.Folder.Samples, 3);
        await File.AppendAllTextAsync(run.Folder.Samples, File.ReadLines(run.Folder.Samples).First() + "\n");
        await Open(target: 5);
        Assert.Equal((0, 1, 2), Found);
    }

    [Fact]
    public async Task What_a_term_has_found_counts_once_in_the_next()
    {
        await Make(1, 5);
        Remove(run.Folder.Samples, 3);
        var term = await run.Context();
        foreach (var _ in new[] { 1, 2 })
        {
            using var journals = run.Journals(term);
            journals.Begin(CoordinatedRun.Plan(term), 5);
        }

        Assert.Equal(1, Found.Dropped);
    }

    [Fact]
    public async Task A_step_made_again_of_other_samples_drops_and_repeats_them()
    {
        await Make(1, 3);
        using var journals = run.Journals(await run.Context());
        journals.Take(Step(2));
        Assert.Equal((0, 0, 0), Found);
        journals.Take(Step(2) with { Samples = ["2-a", "9-c"] });
        Assert.Equal((0, 1, 1), Found);
    }

    [Fact]
    public async Task Steps_that_a_term_makes_again_are_counted()
    {
        await Make(1, 6);
        await Open(target: 4);
        Assert.Equal(2, Value(ElasticMetrics.StepsReplayed));
    }

    public void Dispose() => run.Dispose();

    private (double Lost, double Dropped, double Repeated) Found => (
        Value(ElasticMetrics.StepsLost), Value(ElasticMetrics.SamplesDropped), Value(ElasticMetrics.SamplesRepeated));

    private double Value(Metric metric) => run.Figures.Read(metric).Single().Value;

    private async Task Make(int first, int last)
    {
        using var journals = run.Journals(await run.Context());
        for (var step = first; step <= last; step++)
        {
            journals.Take(Step(step));
            await journals.Flush();
        }
    }

    private async Task Open(int target)
    {
        var term = await run.Context();
        using var journals = run.Journals(term);
        journals.Begin(CoordinatedRun.Plan(term), target);
    }

    private static void Remove(string journal, params int[] steps) =>
        File.WriteAllLines(journal, File.ReadAllLines(journal).Where(line => !steps.Contains(StepLines.Read(line)!.Step)));

    private static StepRecord Step(int step) => new()
    {
        Step = step,
        Loss = 3,
        LearningRate = 0.1,
        GradientNorm = 1,
        Tokens = 10,
        TargetTokens = 10,
        Seconds = 1,
        Term = 1,
        Silos = 2,
        Samples = [$"{step}-a", $"{step}-b"],
    };
}
