using System.Globalization;

namespace Peft.Orleans.Client.Output;

/// <summary>
/// How much of some bytes is done, on standard error: on a terminal one line that is redrawn, elsewhere a line at every tenth.
/// </summary>
internal sealed class ShareLine(Terminal terminal, string what)
{
    private int shown = -1;

    /// <summary>Shows where the work stands.</summary>
    public void Show(long done, long all)
    {
        var percent = (int)(100 * done / Math.Max(1, all));
        var step = terminal.Animated ? percent : percent / 10 * 10;
        if (step == shown) return;
        shown = step;
        var text = string.Create(CultureInfo.InvariantCulture, $"{what}: {done / 1e9:0.0} of {all / 1e9:0.0} GB ({percent} %)");
        if (terminal.Animated) terminal.Error.Write("\r" + text);
        else terminal.Note(text);
    }

    /// <summary>Goes to the next line.</summary>
    public void End()
    {
        if (terminal.Animated && shown >= 0) terminal.Error.WriteLine();
    }
}
