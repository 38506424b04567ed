using System.CommandLine;

namespace Peft.Orleans.Client.Output;

/// <summary>How data appears on standard output.</summary>
internal enum OutputFormat
{
    /// <summary>For people.</summary>
    Table,

    /// <summary>JSON.</summary>
    Json,

    /// <summary>YAML.</summary>
    Yaml,

    /// <summary>One JSON value per line.</summary>
    Ndjson,
}

/// <summary>The option <c>-o</c>.</summary>
internal static class OutputOption
{
    /// <summary>The option with the formats a command knows; the first is the default.</summary>
    public static Option<string> Create(params string[] formats)
    {
        var option = new Option<string>("--output", "-o")
        {
            Description = "Format of what goes to standard output.",
            HelpName = string.Join("|", formats),
            DefaultValueFactory = _ => formats[0],
        };
        option.AcceptOnlyFromAmong(formats);
        return option;
    }

    /// <summary>The format chosen.</summary>
    public static OutputFormat Format(this ParseResult parsed, Option<string> option) =>
        Enum.Parse<OutputFormat>(parsed.GetValue(option)!, ignoreCase: true);
}
