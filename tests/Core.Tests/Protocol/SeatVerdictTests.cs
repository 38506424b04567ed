using Peft.Orleans.Core.Protocol;
using Xunit;

namespace Peft.Orleans.Core.Tests.Protocol;

public class SeatVerdictTests
{
    [Theory]
    [InlineData("a=1 b=1", "", "agreed")]
    [InlineData("a=1", "", "agreed")]
    [InlineData("a=1 b=2", "", "again")]
    [InlineData("a=1 b=2 c=1", "", "wrong b")]
    [InlineData("a=1 b=2 c=3", "", "again")]
    [InlineData("a=1 b=1 c=2 d=2", "", "again")]
    // Made again.
    [InlineData("a=1 b=1", "a=1 b=2", "wrong b")]
    [InlineData("a=1 b=1", "a=1 b=1", "agreed")]
    [InlineData("a=1 b=3", "a=1 b=2", "wrong b")]
    [InlineData("a=1 b=2", "a=1 b=2", "undecided")]
    [InlineData("a=3 b=4", "a=1 b=2", "undecided")]
    [InlineData("a=1 b=2", "a=1", "again")]
    [InlineData("a=1 c=1", "a=1 b=2", "agreed")]
    [InlineData("a=1 b=2 c=1", "a=1 b=2", "wrong b")]
    [InlineData("a=1 b=1 c=2 d=2", "a=1 b=1 c=2 d=1", "wrong c d")]
    // Two that were both wrong before, each in another way, decide nothing.
    [InlineData("a=3 b=3", "a=1 b=2", "undecided")]
    public void A_third_computation_decides(string now, string before, string verdict) => Assert.Equal(verdict, SeatVerdict.Of(
        Said(now), Said(before)) switch
    {
        SeatVerdict.Agreed => "agreed",
        SeatVerdict.Again => "again",
        SeatVerdict.Wrong wrong => "wrong " + string.Join(' ', wrong.Silos),
        _ => "undecided",
    });

    private static Dictionary<string, string> Said(string text) => text.Split(' ', StringSplitOptions.RemoveEmptyEntries)
        .Select(static pair => pair.Split('=')).ToDictionary(static pair => pair[0], static pair => pair[1]);
}
