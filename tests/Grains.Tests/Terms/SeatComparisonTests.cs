using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Grains.Terms;
using Xunit;

namespace Peft.Orleans.Grains.Tests.Terms;

public class SeatComparisonTests
{
    private readonly StepComputation steps = new(
        new TermContext(
            new RunRequest("run", "folder", "", Resume: false),
            null!,
            null!,
            new Term(1, Guid.NewGuid()),
            [],
            false,
            null!,
            default,
            default
        ),
        null!
    );

    [Fact]
    public void Seats_of_a_layer_that_hold_the_same_bytes_go_on()
    {
        steps.CheckHashes(3, new() { [0] = "aa", [1] = "bb" });
        steps.CheckHashes(3, new() { [0] = "aa", [1] = "bb" });
        // The next step has other bytes.
        steps.CheckHashes(4, new() { [0] = "cc" });
    }

    [Fact]
    public void A_seat_with_other_bytes_stops_the_run_and_the_layer_is_named()
    {
        steps.CheckHashes(3, new() { [0] = "aa", [1] = "bb" });
        var error = Assert.Throws<PeftException>(() => steps.CheckHashes(3, new() { [0] = "aa", [1] = "b0" }));
        Assert.Contains("layer 1 differs between its seats after step 3", error.Message, StringComparison.Ordinal);
    }
}
