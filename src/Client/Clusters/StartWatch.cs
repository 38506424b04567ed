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

    private readonly Terminal _terminal;
    private readonly TimeProvider _time;
    private readonly TimeSpan _word;
    private readonly long _begun;
    private readonly CancellationTokenSource _limit;
    private readonly CancellationToken _interrupted;
    private readonly Func<ClientException?> _lost;
    private string _said = "";

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
        _lost = lost;
        _terminal = terminal;
        _time = time;
        _word = times.Word;
        _begun = time.GetTimestamp();
        _interrupted = interrupted;
        _limit = new CancellationTokenSource(patience, time);
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

    public void Dispose() => _limit.Dispose();

    private async Task Pause(Func<string> what, Func<string, ClientException> failure)
    {
        _interrupted.ThrowIfCancellationRequested();
        if (_lost() is { } lost) throw lost;
        Say(what());
        if (_limit.IsCancellationRequested) throw failure(what());
        await Task.Delay(Poll, _time, _interrupted);
    }

    private void Say(string what)
    {
        if (what == _said || _time.GetElapsedTime(_begun) < _word) return;
        _said = what;
        _terminal.Note($"waiting for {what}");
    }
}
