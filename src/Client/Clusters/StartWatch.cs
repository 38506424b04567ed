using Orleans.Runtime;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;

namespace Peft.Orleans.Client.Clusters;

/// <summary>
/// The patience of one start, shared by all that it waits for. A person is told what is being waited for once it takes longer than a
/// moment, and again
/// whenever that changes; a busy machine takes minutes for what an idle one does in a second.
/// </summary>
internal sealed class StartWatch : IDisposable
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(25);

    private readonly Terminal terminal;
    private readonly TimeProvider time;
    private readonly TimeSpan word;
    private readonly long begun;
    private readonly CancellationTokenSource limit;
    private readonly CancellationToken interrupted;
    private readonly Func<ClientException?> lost;
    private string said = "";

    /// <param name="terminal">Where it is said.</param>
    /// <param name="patience">For everything together.</param>
    /// <param name="times">How long a wait may take before a word is said.</param>
    /// <param name="time">Clock.</param>
    /// <param name="lost">Why waiting is of no use any more, such as a silo that has ended; null: it is of use.</param>
    /// <param name="interrupted">Ends the waits at once, by an <see cref="OperationCanceledException"/>.</param>
    public StartWatch(
        Terminal terminal,
        TimeSpan patience,
        ClusterTimes times,
        TimeProvider time,
        Func<ClientException?> lost,
        CancellationToken interrupted)
    {
        this.lost = lost;
        this.terminal = terminal;
        this.time = time;
        word = times.Word;
        begun = time.GetTimestamp();
        this.interrupted = interrupted;
        limit = new CancellationTokenSource(patience, time);
    }

    /// <summary>Waits until something is so.</summary>
    /// <param name="what">What is missing yet: <c>silo-0 to start</c>.</param>
    /// <param name="condition">Whether it is so; an exception ends the wait.</param>
    /// <param name="failure">The error when patience ends.</param>
    public async Task Until(Func<string> what, Func<Task<bool>> condition, Func<string, ClientException> failure)
    {
        while (true)
        {
            // A question may stay unanswered for longer than the patience.
            var asked = condition();
            while (!asked.IsCompleted) await await Task.WhenAny(asked, Pause(what, failure));
            if (await asked) return;
            await Pause(what, failure);
        }
    }

    /// <summary>
    /// Asks until there is an answer: a call that is lost, or takes too long, is made again. Errors that the silo tells are the answer,
    /// too.
    /// </summary>
    public async Task<T> Answered<T>(string what, Func<Task<T>> call, Func<string, ClientException> failure)
    {
        var answer = default(T)!;
        await Until(() => what, async () =>
        {
            try
            {
                answer = await call();
                return true;
            }
            catch (Exception error) when (IsPassing(error))
            {
                return false;
            }
        }, failure);
        return answer;
    }

    /// <summary>Whether an error may pass: no answer, or nobody there yet; what a silo refuses it refuses again.</summary>
    public static bool IsPassing(Exception error) => error is OrleansException or TimeoutException && error is not PeftException;

    public void Dispose() => limit.Dispose();

    private async Task Pause(Func<string> what, Func<string, ClientException> failure)
    {
        interrupted.ThrowIfCancellationRequested();
        if (lost() is { } loss) throw loss;
        Say(what());
        if (limit.IsCancellationRequested) throw failure(what());
        await Task.Delay(Poll, time, interrupted);
    }

    private void Say(string what)
    {
        if (what == said || time.GetElapsedTime(begun) < word) return;
        said = what;
        terminal.Note($"waiting for {what}");
    }
}
