using System.Diagnostics;
using OpenTelemetry.Trace;
using Peft.Orleans.Grains.Figures;
using Peft.Orleans.Silo.Telemetry;

namespace Peft.Orleans.Silo.Tests;

/// <summary>Which spans are kept.</summary>
public sealed class StepSamplerTests
{
    private static readonly ActivityContext Kept =
        new(ActivityTraceId.CreateRandom(), ActivitySpanId.CreateRandom(), ActivityTraceFlags.Recorded);

    private static readonly ActivityContext Dropped =
        new(ActivityTraceId.CreateRandom(), ActivitySpanId.CreateRandom(), ActivityTraceFlags.None);

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 1000)]
    public void Of_the_steps_a_share_is_kept_and_runs_always(double share, int steps)
    {
        var sampler = new StepSampler(share);
        Assert.Equal(1000, Count(sampler, default, Traces.Run));
        Assert.Equal(steps, Count(sampler, default, Traces.Step));
    }

    [Fact]
    public void What_lies_within_a_span_goes_with_it()
    {
        Assert.Equal(1000, Count(new StepSampler(0), Kept, "gradients"));
        Assert.Equal(0, Count(new StepSampler(1), Dropped, "gradients"));
    }

    [Fact]
    public void A_tenth_is_about_a_tenth() => Assert.InRange(Count(new StepSampler(0.1), default, Traces.Step), 30, 250);

    private static int Count(StepSampler sampler, ActivityContext parent, string name) => Enumerable.Range(0, 1000).Count(_ =>
    {
        var trace = parent == default ? ActivityTraceId.CreateRandom() : parent.TraceId;
        return sampler.ShouldSample(new SamplingParameters(parent, trace, name, ActivityKind.Internal)).Decision
            == SamplingDecision.RecordAndSample;
    });
}
