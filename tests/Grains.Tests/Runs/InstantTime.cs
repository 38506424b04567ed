namespace Peft.Orleans.Grains.Tests.Runs;

/// <summary>A clock whose pauses are over as soon as they begin.</summary>
internal sealed class InstantTime : TimeProvider
{
    private int pauses;

    /// <summary>Pauses so far.</summary>
    internal int Pauses => pauses;

    /// <summary>Called at each pause.</summary>
    internal Action Waited { get; set; } = static () => { };

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        new Timer(this, callback, state, dueTime);

    private sealed class Timer : ITimer
    {
        private readonly InstantTime time;
        private readonly TimerCallback callback;
        private readonly object? state;

        internal Timer(InstantTime time, TimerCallback callback, object? state, TimeSpan dueTime)
        {
            (this.time, this.callback, this.state) = (time, callback, state);
            Change(dueTime, Timeout.InfiniteTimeSpan);
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            if (dueTime == Timeout.InfiniteTimeSpan) return true;
            Interlocked.Increment(ref time.pauses);
            time.Waited();
            ThreadPool.QueueUserWorkItem(_ => callback(state));
            return true;
        }

        public void Dispose()
        {
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
