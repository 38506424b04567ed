using Orleans.Runtime;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Grains.Terms;
using Polly;
using Polly.Retry;

namespace Peft.Orleans.Grains.Runs;

/// <summary>What a run tries again, and how often.</summary>
internal sealed class RunRetries(TimeProvider time, CancellationToken abandoned)
{
    /// <summary>Attempts at a term without progress, the first one included.</summary>
    internal static int Attempts => ClusterTimes.Current.Retries + 1;

    /// <summary>A term that ends without progress is repeated with growing pauses, a few times; errors of the user are not.</summary>
    private readonly ResiliencePipeline<TermOutcome> terms = new ResiliencePipelineBuilder<TermOutcome> { TimeProvider = time }
        .AddRetry(new RetryStrategyOptions<TermOutcome>
        {
            MaxRetryAttempts = Attempts - 1,
            Delay = ClusterTimes.Current.RetryFirst,
            MaxDelay = ClusterTimes.Current.RetryLongest,
            BackoffType = DelayBackoffType.Exponential,
            ShouldHandle = new PredicateBuilder<TermOutcome>()
                .HandleResult(static outcome => outcome is TermOutcome.Lost { Progress: false })
                .Handle<Exception>(static error => error is not PeftException and not OperationCanceledException),
        })
        .Build();

    /// <summary>A grain may still lie on a silo that is shutting down, until that one has ended: some seconds.</summary>
    private readonly ResiliencePipeline reached = new ResiliencePipelineBuilder { TimeProvider = time }
        .AddRetry(new RetryStrategyOptions
        {
            MaxRetryAttempts = ClusterTimes.Current.ReachRetries,
            Delay = ClusterTimes.Current.RetryFirst,
            MaxDelay = ClusterTimes.Current.RetryLongest,
            BackoffType = DelayBackoffType.Exponential,
            ShouldHandle = new PredicateBuilder().Handle<SiloUnavailableException>().Handle<OrleansMessageRejectionException>(),
        })
        .Build();

    /// <summary>One term, or several that made no progress; how the last one ended.</summary>
    internal async Task<TermOutcome> Term(Func<Task<TermOutcome>> work)
    {
        var context = Context();
        try
        {
            return await terms.ExecuteAsync(async _ => await work(), context);
        }
        finally
        {
            ResilienceContextPool.Shared.Return(context);
        }
    }

    /// <summary>A call to a grain, until it is reached.</summary>
    internal async Task<T> UntilReached<T>(Func<Task<T>> call)
    {
        var context = Context();
        try
        {
            return await reached.ExecuteAsync(async _ => await call(), context);
        }
        finally
        {
            ResilienceContextPool.Shared.Return(context);
        }
    }

    /// <summary>Everything a grain does must stay on its own scheduler, the attempts after a pause too.</summary>
    private ResilienceContext Context() => ResilienceContextPool.Shared.Get(continueOnCapturedContext: true, abandoned);
}
