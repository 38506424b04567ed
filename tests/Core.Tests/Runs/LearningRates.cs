using Peft.Orleans.Core.Runs;
using Xunit;

namespace Peft.Orleans.Core.Tests.Runs;

/// <summary>min(1, s/w) · c at chosen steps, by hand.</summary>
public sealed class LearningRates
{
    [Theory]
    [InlineData(ScheduleName.Constant, 0, 1, 100, 1.0)]
    [InlineData(ScheduleName.Constant, 0, 100, 100, 1.0)]
    [InlineData(ScheduleName.Constant, 10, 1, 100, 0.1)]
    [InlineData(ScheduleName.Constant, 10, 10, 100, 1.0)]
    [InlineData(ScheduleName.Linear, 0, 1, 100, 1.0)]
    [InlineData(ScheduleName.Linear, 0, 51, 100, 0.5)]
    [InlineData(ScheduleName.Linear, 0, 100, 100, 0.01)]
    [InlineData(ScheduleName.Linear, 4, 2, 100, 0.495)]
    [InlineData(ScheduleName.Cosine, 0, 1, 100, 1.0)]
    [InlineData(ScheduleName.Cosine, 0, 51, 100, 0.5)]
    [InlineData(ScheduleName.Cosine, 0, 26, 100, 0.8535533905932737)]
    [InlineData(ScheduleName.Cosine, 0, 3, 4, 0.5)]
    [InlineData(ScheduleName.Cosine, 2, 1, 4, 0.5)]
    public void Factor(ScheduleName name, int warmup, int step, int steps, double expected) =>
        Assert.Equal(expected, LearningRateSchedule.Factor(new ScheduleSpec { Name = name, WarmupSteps = warmup }, step, steps), 12);
}
