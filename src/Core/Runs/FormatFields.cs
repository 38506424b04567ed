namespace Peft.Orleans.Core.Runs;

/// <summary>The fields that a format reads, and that <c>data.columns</c> may name otherwise.</summary>
public static class FormatFields
{
    /// <summary>Fields of a sample, those that may be absent too.</summary>
    public static IReadOnlyList<string> Of(DataFormat format) => format switch
    {
        DataFormat.Messages => ["messages", "conversations", "system", "tools"],
        DataFormat.Alpaca => ["instruction", "input", "output", "system", "history"],
        DataFormat.Completion => ["prompt", "completion"],
        DataFormat.Text => ["text"],
        DataFormat.Gsm8k => ["question", "answer", "system"],
        _ => ["input_ids", "labels"],
    };
}
