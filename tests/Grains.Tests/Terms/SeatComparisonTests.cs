using Peft.Orleans.Core;
using Peft.Orleans.Grains.Terms;
using Xunit;

namespace Peft.Orleans.Grains.Tests.Terms;

public class SeatComparisonTests
{
    private readonly SeatComparison seats = new("run");

    [Fact]
    public void Seats_of_a_layer_that_hold_the_same_bytes_go_on()
    {
        seats.Take(3, new() { [0] = "aa", [1] = "bb" });
        seats.Take(3, new() { [0] = "aa", [1] = "bb" });
        // The next step has other bytes.
        seats.Take(4, new() { [0] = "cc" });
    }

    [Fact]
    public void A_seat_with_other_bytes_stops_the_run_and_the_layer_is_named()
    {
        seats.Take(3, new() { [0] = "aa", [1] = "bb" });
        var error = Assert.Throws<PeftException>(() => seats.Take(3, new() { [0] = "aa", [1] = "b0" }));
        Assert.Contains("layer 1 differs between its seats after step 3", error.Message, StringComparison.Ordinal);
    }
}
