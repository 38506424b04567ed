using System.Reflection;
using Orleans.Runtime;
using Orleans.Serialization.Invocation;
using Peft.Orleans.Client.Clusters;
using Xunit;

namespace Peft.Orleans.Client.Tests;

/// <summary>A call that is never answered ends; an answer and an error pass as they are.</summary>
public sealed class CallLimitTests
{
    private static readonly CallLimit Limit = new(TimeSpan.FromMilliseconds(10), TimeSpan.FromMilliseconds(10), TimeProvider.System);
    private static readonly CallLimit Patient = new(TimeSpan.FromDays(1), TimeSpan.Zero, TimeProvider.System);

    [Fact]
    public async Task A_call_without_an_answer_ends() =>
        await Assert.ThrowsAsync<TimeoutException>(() => Limit.Invoke(new Call(new TaskCompletionSource().Task)));

    [Fact]
    public async Task Answers_and_errors_pass()
    {
        await Patient.Invoke(new Call(Task.CompletedTask));
        await Assert.ThrowsAsync<SiloUnavailableException>(() =>
            Patient.Invoke(new Call(Task.FromException(new SiloUnavailableException("gone")))));
    }

    [Fact]
    public async Task A_method_with_a_time_of_its_own_has_it()
    {
        var answer = new TaskCompletionSource();
        var waiting = Limit.Invoke(new Call(answer.Task, TimeSpan.FromDays(1)));
        await Assert.ThrowsAsync<TimeoutException>(() => Limit.Invoke(new Call(new TaskCompletionSource().Task)));
        Assert.False(waiting.IsCompleted);
        answer.SetResult();
        await waiting;
    }

    /// <summary>A call as Orleans hands it to a filter, of which only its end matters.</summary>
    private sealed class Call(Task end, TimeSpan? time = null) : IOutgoingGrainCallContext
    {
        public IInvokable Request { get; } = TimedRequest.Of(time);

        public object Grain => throw new NotSupportedException();

        public GrainId? SourceId => null;

        public GrainId TargetId => default;

        public GrainInterfaceType InterfaceType => default;

        public string InterfaceName => "";

        public string MethodName => "";

        public MethodInfo InterfaceMethod => throw new NotSupportedException();

        public IGrainContext? SourceContext => null;

        public object? Result { get; set; }

        public Response? Response { get; set; }

        public Task Invoke() => end;
    }

    /// <summary>A request that answers only what time its method has.</summary>
    public class TimedRequest : DispatchProxy
    {
        private TimeSpan? time;

        internal static IInvokable Of(TimeSpan? time)
        {
            var request = Create<IInvokable, TimedRequest>();
            ((TimedRequest)request).time = time;
            return request;
        }

        /// <inheritdoc/>
        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) =>
            targetMethod!.Name == nameof(IInvokable.GetDefaultResponseTimeout) ? time : throw new NotSupportedException(targetMethod.Name);
    }
}
