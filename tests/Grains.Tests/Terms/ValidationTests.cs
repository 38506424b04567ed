using Peft.Orleans.Grains.Terms;
using Peft.Orleans.Grains.Tests.Runs;

namespace Peft.Orleans.Grains.Tests.Terms;

/// <summary>When a version is validated, and what follows.</summary>
public sealed class ValidationTests : IDisposable
{
    private readonly FakeSilos silos = new(9, "a", "b") { ValidationLoss = static step => step <= 4 ? 1.0 / step : 1 };
    private CoordinatedRun? run;

    [Fact]
    public async Task A_step_waits_for_the_version_before_it_where_that_is_validated()
    {
        var (validation, _) = await Begin("validate_every: 2");
        Assert.True(validation.Over(3).IsCompletedSuccessfully);
        var waiting = validation.Over(4);
        await validation.Run(4, ending: false);
        Assert.False(waiting.IsCompleted);
        validation.Reported(4);
        await waiting;
        Assert.Equal([false, true, true], new[] { validation.IsDue(5, false), validation.IsDue(5, true), validation.IsDue(6, false) });
    }

    [Fact]
    public async Task Without_validation_data_nothing_is_due()
    {
        silos.Data.ValidationBatches = 0;
        var (validation, term) = await Begin("validate_every: 1", batches: 0);
        Assert.False(validation.IsDue(1, ending: true));
        await validation.Run(1, ending: true);
        Assert.Null(term.Progress.Status.ValidationLoss);
    }

    [Fact]
    public async Task The_best_version_is_kept_and_patience_ends()
    {
        var (validation, term) = await Begin("validate_every: 2, early_stopping: { patience: 2, keep_best: true }");
        foreach (var (step, exhausted) in new[] { (2, false), (4, false), (6, false), (8, true) })
        {
            await validation.Run(step, ending: false);
            Assert.Equal(exhausted, validation.Exhausted);
            Assert.Equal(silos.ValidationLoss(step), term.Progress.Status.ValidationLoss);
        }

        Assert.Equal([2, 4], run!.Events("best").Select(static best => best.GetProperty("step").GetInt32()));
        Assert.True(Directory.Exists(term.Folder.BestOf(4)));
    }

    public void Dispose() => run?.Dispose();

    private async Task<(Validation Validation, TermContext Term)> Begin(string training, int batches = 1)
    {
        silos.Data.ValidationBatches = batches;
        run = new CoordinatedRun(silos, $"training: {{ steps: 9, global_batch: 1, {training} }}");
        var term = await run.Seated();
        var journals = run.Journals(term);
        return (new Validation(term, silos, journals, new VersionFiles(term, silos, journals, run.Disk(term))), term);
    }
}
