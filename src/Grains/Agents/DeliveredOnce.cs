using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Grains.Agents;

/// <summary>
/// Messages whose tensors come over the data plane: the bytes arrive once, so a message that is delivered twice, in whatever order, must be
/// carried out once; its copies have the same answer.
/// </summary>
internal sealed class DeliveredOnce
{
    private readonly Lock gate = new();
    private readonly Dictionary<(Term Term, string Message, int Step, string Of), Task> begun = [];

    /// <summary>Carries a message out, or waits for the copy that came before.</summary>
    /// <param name="term">Term of the message.</param>
    /// <param name="message">Name of the message.</param>
    /// <param name="step">Step or version it speaks of; what is two steps older is forgotten, as nothing obeys it any more.</param>
    /// <param name="of">What else tells it from others of its kind.</param>
    /// <param name="work">The work.</param>
    internal Task<T> Do<T>(Term term, string message, int step, string of, Func<Task<T>> work)
    {
        lock (gate)
        {
            if (begun.TryGetValue((term, message, step, of), out var known)) return (Task<T>)known;
            foreach (var old in begun.Keys.Where(key => key.Term != term || key.Step < step - 2).ToArray()) begun.Remove(old);
            var task = work();
            begun[(term, message, step, of)] = task;
            return task;
        }
    }
}
