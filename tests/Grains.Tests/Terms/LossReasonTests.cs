using System.Net;
using Orleans.Runtime;
using Peft.Orleans.Grains.Terms;
using Xunit;

namespace Peft.Orleans.Grains.Tests.Terms;

/// <summary>What people read of a loss.</summary>
public sealed class LossReasonTests
{
    private static readonly Dictionary<string, SiloAddress> Live = new()
    {
        ["silo-0"] = SiloAddress.New(IPAddress.Loopback, 26736, 155145945),
        ["silo-1"] = SiloAddress.New(IPAddress.Loopback, 29954, 155145946),
        ["silo-10"] = SiloAddress.New(IPAddress.Loopback, 29954, 1551459460),
    };

    [Theory]
    [InlineData("The target silo became unavailable for message: Request [S127.0.0.1:26736:155145945 run/a]->[S127.0.0.1:29954:155145946 sys.svc.user.F1/127.0.0.1:29954@155145946] Agent.Apply() #04. See https://aka.ms/orleans-troubleshooting for troubleshooting help.", "silo-1 no longer answers")]
    [InlineData("The target silo became unavailable for message: Request [S127.0.0.1:26736:155145945 run/a]->[S127.0.0.1:1:7 sys] #04", "The target silo became unavailable")]
    [InlineData("silo silo-1 is gone", "silo silo-1 is gone")]
    public void A_silo_that_is_gone_is_named(string message, string told) =>
        Assert.Equal(told, LossReason.Of(new SiloUnavailableException(message), Live));

    [Fact]
    public void A_silo_that_does_not_answer_is_named() =>
        Assert.Equal(
            "silo-0 has not answered in time",
            LossReason.Of(
                new TimeoutException("Response did not arrive on time in 00:00:30 for message: "
                    + "Request [*stg/1]->[S127.0.0.1:26736:155145945 sys] #1."),
                Live));

    [Fact]
    public void What_is_no_call_that_failed_is_told_as_it_is() =>
        Assert.Equal("no room for message 7", LossReason.Of(new InvalidOperationException("no room for message 7"), Live));
}
