using System.Globalization;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Client.Output;

/// <summary>
/// Progress of a run on standard error: on a terminal one line that is redrawn, elsewhere a line whenever the message changes and at every
/// twentieth of the steps.
/// </summary>
internal sealed class ProgressLine(Terminal terminal, TimeProvider time)
{
    private const int BarWidth = 24;

    private string drawn = "";
    private string message = "";
    private int printedStep = -1;
    private int firstStep = -1;
    private long firstTime;

    /// <summary>Shows where a run stands.</summary>
    public void Show(RunStatus status)
    {
        if (status.Step > 0 && firstStep < 0)
        {
            firstStep = status.Step;
            firstTime = time.GetTimestamp();
        }

        if (terminal.Animated) Redraw(Text(status));
        else Print(status);
    }

    /// <summary>Leaves the line as it is and goes to the next.</summary>
    public void End()
    {
        if (drawn.Length > 0) terminal.Error.WriteLine();
        drawn = "";
    }

    /// <summary>The line of a status.</summary>
    public string Text(RunStatus status)
    {
        if (status.Steps == 0 || status.Step == 0 || status.State is RunState.Paused or RunState.Finishing)
            return status.Steps > 0 ? $"step {status.Step}/{status.Steps}  {State(status)}" : State(status);
        var filled = (int)((long)BarWidth * status.Step / status.Steps);
        var bar = new string('█', filled) + new string('░', BarWidth - filled);
        var loss = status.Loss is { } value ? string.Create(CultureInfo.InvariantCulture, $"  loss {value:0.0000}") : "";
        var validation = status.ValidationLoss is { } other
            ? string.Create(CultureInfo.InvariantCulture, $"  validation {other:0.0000}")
            : "";
        var speed = string.Create(CultureInfo.InvariantCulture, $"  {status.TokensPerSecond:N0} tokens/s");
        return $"step {status.Step}/{status.Steps} {bar}{loss}{validation}{speed}{TimeLeft(status)}";
    }

    private static string State(RunStatus status) =>
        status.Message.Length > 0
            ? $"{status.State.ToString().ToLowerInvariant()}: {status.Message}"
            : status.State.ToString().ToLowerInvariant();

    private string TimeLeft(RunStatus status)
    {
        var done = status.Step - firstStep;
        if (done <= 0) return "";
        var left = time.GetElapsedTime(firstTime) / done * (status.Steps - status.Step);
        return left.TotalHours >= 1
            ? string.Create(CultureInfo.InvariantCulture, $"  {(int)left.TotalHours}:{left.Minutes:00}:{left.Seconds:00} left")
            : string.Create(CultureInfo.InvariantCulture, $"  {left.Minutes}:{left.Seconds:00} left");
    }

    private void Redraw(string text)
    {
        if (text == drawn) return;
        var line = text.ReplaceLineEndings(" ");
        terminal.Error.Write("\r" + line + new string(' ', Math.Max(0, drawn.Length - line.Length)));
        drawn = line;
    }

    private void Print(RunStatus status)
    {
        var due = status.Step > 0 && status.Step != printedStep
            && (status.Step == status.Steps || printedStep < 0 || (status.Step - printedStep) * 20 >= status.Steps);
        if (!due && (State(status) == message || status.State == RunState.Running)) return;
        message = State(status);
        if (due) printedStep = status.Step;
        terminal.Note(Text(status));
    }
}
