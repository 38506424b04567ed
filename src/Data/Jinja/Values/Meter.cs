using System.Runtime.CompilerServices;

namespace Peft.Orleans.Data.Jinja.Values;

/// <summary>
/// Counts what a rendering costs, so that no template runs for long, fills the memory or ends the process: a step for each node and each
/// element made, and for every so many characters read or written.
/// </summary>
internal sealed class Meter
{
    /// <summary>Steps of one rendering; a second or two.</summary>
    public const long MostSteps = 20_000_000;

    /// <summary>UTF-16 units of one text.</summary>
    public const int MostText = 1 << 24;

    /// <summary>Macros and loops that call each other, and values within values.</summary>
    public const int MostDepth = 200;

    private const int UnitsPerStep = 16;

    private long steps;
    private int depth;

    /// <summary>Line of the template that is being evaluated.</summary>
    public int Line { get; set; }

    /// <summary>Counts steps.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Step(long count = 1)
    {
        if ((steps += count) > MostSteps) throw Exceeded($"takes more than {MostSteps:N0} steps");
    }

    /// <summary>Counts the evaluation of a node, and stops before the stack ends.</summary>
    public void Node()
    {
        Step();
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack()) throw Exceeded($"nests deeper than its stack is high");
    }

    /// <summary>Counts the reading of a text.</summary>
    public void Read(long length) => Step(1 + length / UnitsPerStep);

    /// <summary>Counts the search of one text in another.</summary>
    public void Search(long text, long sought) => Step(1 + text / UnitsPerStep + text * sought / 4096);

    /// <summary>Counts a text before it is made.</summary>
    public void Write(long length)
    {
        if (length > MostText) throw Exceeded($"writes a text of more than {MostText:N0} characters");
        Read(length);
    }

    /// <summary>Goes one level deeper; <see cref="Leave"/> comes back.</summary>
    public void Enter()
    {
        if (++depth > MostDepth || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw Exceeded($"goes deeper than {MostDepth} levels");
    }

    /// <summary>Comes back from a level.</summary>
    public void Leave() => depth--;

    private static JinjaException Exceeded(FormattableString what) =>
        new(JinjaFailure.Limit, $"it {FormattableString.Invariant(what)}, which no chat template needs");
}
