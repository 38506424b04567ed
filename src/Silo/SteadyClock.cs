namespace Peft.Orleans.Silo;

/// <summary>
/// The time of day as it was when the silo started, carried on by the clock that measures durations. A machine's time of day may be set
/// forward or back at any moment; what schedules by it would act too early, too late, or refuse (Orleans activates no grain after a jump
/// back).
/// </summary>
internal sealed class SteadyClock(TimeProvider source) : TimeProvider
{
    private readonly DateTimeOffset start = source.GetUtcNow();
    private readonly long startTimestamp = source.GetTimestamp();

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow() => start + source.GetElapsedTime(startTimestamp);

    /// <inheritdoc/>
    public override long TimestampFrequency => source.TimestampFrequency;

    /// <inheritdoc/>
    public override TimeZoneInfo LocalTimeZone => source.LocalTimeZone;

    /// <inheritdoc/>
    public override long GetTimestamp() => source.GetTimestamp();

    /// <inheritdoc/>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        source.CreateTimer(callback, state, dueTime, period);
}

/// <summary>The machine's own clock.</summary>
/// <param name="Time">Time of day, which may jump, and timestamps, which do not.</param>
internal sealed record WallClock(TimeProvider Time);
