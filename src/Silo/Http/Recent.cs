namespace Peft.Orleans.Silo.Http;

/// <summary>An answer of the cluster that is asked for once, however many want it at the same time.</summary>
/// <param name="ask">Asks the cluster.</param>
/// <param name="age">How old an answer may be.</param>
/// <param name="time">Clock.</param>
internal sealed class Recent<T>(Func<Task<T>> ask, TimeSpan age, TimeProvider time)
{
    private readonly Lock gate = new();
    private Task<T>? answer;
    private long asked;

    /// <summary>The answer under way, the last one while it is young, or a new one.</summary>
    internal Task<T> Get()
    {
        lock (gate)
        {
            if (answer is { IsCompleted: false } || (answer is { IsCompletedSuccessfully: true } && time.GetElapsedTime(asked) < age))
                return answer;
            asked = time.GetTimestamp();
            return answer = ask();
        }
    }
}
