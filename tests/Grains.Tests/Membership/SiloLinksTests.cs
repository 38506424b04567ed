using Peft.Orleans.Grains.Membership;
using Xunit;

namespace Peft.Orleans.Grains.Tests.Membership;

public class SiloLinksTests
{
    [Fact]
    public void Whole_network_nobody_goes() => Assert.Empty(SiloLinks.Fewest([], "a"));

    [Theory]
    [InlineData("a", "b")]
    [InlineData("b", "a")]
    public void Of_a_pair_the_coordinators_silo_stays(string self, string evicted) =>
        Assert.Equal([evicted], SiloLinks.Fewest([("a", "b"), ("b", "a")], self));

    [Fact]
    public void A_silo_cut_off_from_all_goes_alone() =>
        Assert.Equal(["b"], SiloLinks.Fewest([("a", "b"), ("c", "b"), ("b", "c"), ("b", "a"), ("d", "b")], "a"));

    [Fact]
    public void A_coordinator_that_nobody_answers_is_the_one_cut_off() =>
        Assert.Equal(["a"], SiloLinks.Fewest([("a", "b"), ("a", "c")], "a"));

    [Fact]
    public void Two_cuts_without_a_common_silo_cost_two() =>
        Assert.Equal(["d", "b"], SiloLinks.Fewest([("a", "b"), ("c", "d")], "a"));

    [Fact]
    public void One_direction_is_a_cut_too_and_counts_once() =>
        Assert.Equal(["c"], SiloLinks.Fewest([("a", "c"), ("c", "a"), ("b", "c")], "a"));

    [Fact]
    public void An_evicted_silo_that_came_back_behind_its_cut_waits() =>
        Assert.Equal(["b"], SiloLinks.StillCutOff(["b"], [("a", "b"), ("b", "a")]));

    [Fact]
    public void An_evicted_silo_that_everybody_reaches_again_waits_no_longer() => Assert.Empty(SiloLinks.StillCutOff(["b"], []));

    [Fact]
    public void A_cut_between_others_keeps_nobody_outside() => Assert.Empty(SiloLinks.StillCutOff(["b"], [("a", "c")]));
}
