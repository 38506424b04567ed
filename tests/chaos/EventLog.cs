namespace Peft.Orleans.Chaos;

/// <summary>What was done to a run and seen of it: on stderr, and in a file beside it.</summary>
internal sealed class EventLog(string path) : IDisposable
{
    private readonly StreamWriter file = new(path) { AutoFlush = true };

    internal string Path => path;

    internal void Say(string text) => file.WriteLine(Narration.Say(text));

    public void Dispose() => file.Dispose();
}
