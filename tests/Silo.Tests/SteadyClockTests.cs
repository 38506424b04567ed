namespace Peft.Orleans.Silo.Tests;

public class SteadyClockTests
{
    [Fact]
    public void Goes_on_from_where_it_started_whatever_the_time_of_day_does()
    {
        var wall = new SetClock();
        var start = wall.Now;
        var steady = new SteadyClock(wall);
        foreach (var jump in (int[])[50, -120, 3000])
        {
            wall.Now += TimeSpan.FromMinutes(jump);
            Assert.Equal(start + TimeSpan.FromTicks(wall.Ticks), steady.GetUtcNow());
            wall.Ticks += TimeSpan.TicksPerSecond;
        }

        Assert.Equal(TimeSpan.FromSeconds(3), steady.GetUtcNow() - start);
    }

    private sealed class SetClock : TimeProvider
    {
        internal DateTimeOffset Now { get; set; } = new(2026, 3, 29, 1, 59, 0, TimeSpan.Zero);

        internal long Ticks { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override DateTimeOffset GetUtcNow() => Now;

        public override long GetTimestamp() => Ticks;
    }
}
