using Orleans.Runtime;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Grains.Terms;

namespace Peft.Orleans.Grains.Tests.Runs;

/// <summary>Every way in which a term ends.</summary>
public sealed class TermOutcomeTests
{
    [Fact]
    public async Task Finished_after_the_last_step()
    {
        Assert.Equal(new TermOutcome.Finished(4), await OutcomeOf(static (_, _, _, _) => { }));
    }

    [Fact]
    public async Task Replan_at_the_next_reported_step_once_a_new_silo_is_ready()
    {
        var outcome = await OutcomeOf(static (term, silos, message, step) =>
        {
            if (message != "Apply" || step != 2 || silos.Live().Result.ContainsKey("c")) return;
            silos.Add("c");
            term.MembershipChanged();
        });
        Assert.Equal(new TermOutcome.Replan(2), outcome);
    }

    [Fact]
    public async Task Stopped_at_the_next_reported_step()
    {
        var outcome = await OutcomeOf(static (term, _, message, step) =>
        {
            if (message == "Apply" && step == 3) term.AskEnd(EndRequest.Stop);
        });
        Assert.Equal(new TermOutcome.Stopped(3), outcome);
    }

    [Theory]
    [InlineData("Fence", 0, false)]
    [InlineData("Start", 0, false)]
    [InlineData("Prepare", 1, false)]
    [InlineData("Prepare", 3, true)]
    public async Task Lost_by_a_message_that_fails(string disturbed, int at, bool progress)
    {
        var outcome = await OutcomeOf((_, _, message, step) =>
        {
            if (message == disturbed && step == at) throw new InvalidOperationException("no");
        });
        var lost = Assert.IsType<TermOutcome.Lost>(outcome);
        Assert.Equal("no", lost.Error.Message);
        Assert.Equal(progress, lost.Progress);
    }

    [Fact]
    public async Task Lost_by_a_silo_that_left_the_membership()
    {
        var outcome = await OutcomeOf(static (term, silos, message, step) =>
        {
            if (message != "Prepare" || step != 2) return;
            silos.Lose("b");
            term.MembershipChanged();
        });
        Assert.IsType<SiloUnavailableException>(Assert.IsType<TermOutcome.Lost>(outcome).Error);
    }

    [Fact]
    public async Task A_silo_that_does_not_answer_its_fence_is_declared_dead_and_the_rest_go_on()
    {
        var outcome = await OutcomeOf(static (_, silos, message, _) =>
        {
            if (message == "Fence" && silos.Live().Result.ContainsKey("b")) silos.Silent = "b";
        });
        Assert.Equal(new TermOutcome.Finished(4), outcome);
    }

    [Fact]
    public async Task Refused_by_an_error_that_the_user_has_to_mend()
    {
        var outcome = await OutcomeOf(static (_, _, message, step) =>
        {
            if (message == "Apply" && step == 2) throw new PeftException("layer 1: the disk is read-only; mount it for writing");
        });
        Assert.Equal("layer 1: the disk is read-only; mount it for writing", Assert.IsType<TermOutcome.Refused>(outcome).Error.Message);
    }

    private static async Task<TermOutcome> OutcomeOf(Action<TermRun, FakeSilos, string, int> disturb)
    {
        var silos = new FakeSilos(4, "a", "b");
        using var run = new CoordinatedRun(silos);
        return await CoordinatedRun.AsGrain(async () =>
        {
            using var term = await run.Term();
            silos.Before = (_, message, step) => disturb(term, silos, message, step);
            return await term.Run();
        });
    }
}
