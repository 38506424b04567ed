using System.Reflection;
using Orleans.Runtime;
using Orleans.Serialization.Invocation;
using Peft.Orleans.Client.Clusters;
using Xunit;

namespace Peft.Orleans.Client.Tests;

/// <summary>A call that is never answered ends; an answer and an error pass as they are.</summary>
public sealed class CallLimitTests
{
    private static readonly CallLimit Limit = new(TimeSpan.FromMilliseconds(20), TimeProvider.System);
    private static readonly CallLimit Patient = new(TimeSpan.FromDays(1), TimeProvider.System);

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

    /// <summary>A call as Orleans hands it to a filter, of which only its end matters.</summary>
    private sealed class Call(Task end) : IOutgoingGrainCallContext
    {
        public IInvokable Request => throw new NotSupportedException();

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
}
