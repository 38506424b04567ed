namespace Peft.Orleans.Client.Clusters;

/// <summary>
/// Ends a call that nobody ends. Orleans' client has a time-out of its own, and yet a call to a silo that died as it came was seen to stay
/// open for good (10.4.2): this one is later than that, and holds for every call.
/// </summary>
/// <param name="usual">Orleans' time-out of calls whose method names none of its own.</param>
/// <param name="later">How much later this one is.</param>
/// <param name="time">The clock.</param>
internal sealed class CallLimit(TimeSpan usual, TimeSpan later, TimeProvider time) : IOutgoingGrainCallFilter
{
    /// <inheritdoc/>
    /// <exception cref="TimeoutException">There is no answer; the call may be made again.</exception>
    public Task Invoke(IOutgoingGrainCallContext context) =>
        context.Invoke().WaitAsync((context.Request.GetDefaultResponseTimeout() ?? usual) + later, time);
}
