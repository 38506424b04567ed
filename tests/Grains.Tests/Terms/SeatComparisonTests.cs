using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Grains.Terms;
using Peft.Orleans.Grains.Tests.Runs;
using Xunit;

namespace Peft.Orleans.Grains.Tests.Terms;

public class SeatComparisonTests
{
    [Fact]
    public async Task Seats_of_a_layer_that_hold_the_same_bytes_go_on()
    {
        using var run = new CoordinatedRun(new FakeSilos(4, "a", "b"));
        var seats = new SeatComparison(await run.Context());
        seats.Take(3, "a", new() { [0] = "aa", [1] = "bb" });
        seats.Take(3, "b", new() { [0] = "aa", [1] = "bb" });
        seats.Judge();
        // The next step has other bytes.
        seats.Take(4, "a", new() { [0] = "cc" });
        seats.Judge();
    }

    [Fact]
    public async Task One_word_against_another_makes_the_step_again_and_the_layer_is_named()
    {
        using var run = new CoordinatedRun(new FakeSilos(4, "a", "b"));
        var seats = new SeatComparison(await run.Context());
        seats.Take(3, "a", new() { [0] = "aa", [1] = "bb" });
        seats.Take(3, "b", new() { [0] = "aa", [1] = "b0" });
        var error = Assert.Throws<SeatsDifferException>(seats.Judge);
        Assert.Contains("layer 1 differs between its seats after step 3 (a: bb, b: b0)", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_differs_from_two_others_is_wrong()
    {
        using var run = new CoordinatedRun(new FakeSilos(4, "a", "b", "c"));
        var seats = new SeatComparison(await run.Context());
        foreach (var (silo, hash) in new[] { ("a", "bb"), ("b", "b0"), ("c", "bb") }) seats.Take(3, silo, new() { [1] = hash });
        Assert.Equal(["b"], Assert.Throws<FaultySiloException>(seats.Judge).Silos);
    }

    [Fact]
    public async Task Who_differs_from_what_it_said_before_is_wrong()
    {
        using var run = new CoordinatedRun(new FakeSilos(4, "a", "b"));
        var term = await run.Context();
        (term.SaidOf(1, 3)["a"], term.SaidOf(1, 3)["b"]) = ("bb", "b0");
        var seats = new SeatComparison(term);
        seats.Take(3, "a", new() { [1] = "bb" });
        seats.Take(3, "b", new() { [1] = "bb" });
        Assert.Equal(["b"], Assert.Throws<FaultySiloException>(seats.Judge).Silos);
    }

    [Fact]
    public async Task Two_that_differ_again_in_the_same_way_stop_the_run()
    {
        using var run = new CoordinatedRun(new FakeSilos(4, "a", "b"));
        var term = await run.Context();
        (term.SaidOf(1, 3)["a"], term.SaidOf(1, 3)["b"]) = ("bb", "b0");
        var seats = new SeatComparison(term);
        seats.Take(3, "a", new() { [1] = "bb" });
        seats.Take(3, "b", new() { [1] = "b0" });
        var error = Assert.Throws<PeftException>(seats.Judge);
        Assert.Contains("no third to tell which of them is wrong", error.Message, StringComparison.Ordinal);
    }
}
