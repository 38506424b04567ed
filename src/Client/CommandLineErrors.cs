using System.CommandLine;
using System.CommandLine.Parsing;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Client;

/// <summary>
/// What is wrong with a command line, in the user's words: a command that does not exist is followed by what may have been meant.
/// </summary>
internal static class CommandLineErrors
{
    /// <summary>A line per error.</summary>
    public static IReadOnlyList<string> Of(ParseResult parsed)
    {
        var command = parsed.CommandResult.Command;
        // A word in the place of a command: the parser's own message would come once more for every word after it.
        if (command.Subcommands.Count > 0) return [Unknown(parsed, command)];
        return [.. parsed.Errors.Select(static error => error.Message).Distinct()];
    }

    private static string Unknown(ParseResult parsed, Command command)
    {
        var path = PathOf(command);
        var names = command.Subcommands.Select(static sub => sub.Name).ToArray();
        var there = $"there {(names.Length == 1 ? "is" : "are")} {string.Join(", ", names)}";
        if (parsed.UnmatchedTokens.Count == 0) return $"{path}: a command is missing; {there}";
        var word = parsed.UnmatchedTokens[0];
        var rest = parsed.UnmatchedTokens.Skip(1);
        if (Spelling.Nearest(word, names) is { } near)
            return $"{path} has no command {word}; did you mean: {string.Join(' ', (string[])[path, near, .. rest])}";
        // The one thing that describe can describe may be left out by mistake.
        if (command is not RootCommand && command.Subcommands is [{ Arguments.Count: > 0 } only])
            return $"{path} has no command {word}; did you mean: {string.Join(' ', (string[])[path, only.Name, word, .. rest])}";
        return $"{path} has no command {word}; {there}";
    }

    private static string PathOf(Command command) => command is RootCommand ? "peft-client" : $"peft-client {command.Name}";
}
