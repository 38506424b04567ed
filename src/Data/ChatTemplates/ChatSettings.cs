using System.Globalization;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Data.ChatTemplates;

/// <summary>What a template is told and what ends a turn, beside the conversation.</summary>
public sealed record ChatSettings
{
    /// <summary>What time a template is told that asks for it.</summary>
    public Func<DateTimeOffset> Clock { get; init; } = TimeProvider.System.GetLocalNow;

    /// <summary>Texts that close an assistant's message; null: found.</summary>
    public IReadOnlyList<string>? EndOfTurn { get; init; }

    /// <summary>As a run file has it.</summary>
    public static ChatSettings Of(DataSpec data) => new()
    {
        EndOfTurn = data.EndOfTurn,
        Clock = data.ChatTime is { } time
            ? () => new DateTimeOffset(DateTime.ParseExact(time, RunRules.ChatTimeForm, CultureInfo.InvariantCulture), TimeSpan.Zero)
            : TimeProvider.System.GetLocalNow,
    };
}
