using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace Peft.Orleans.Client.Output;

/// <summary>Standard output for data, standard error for progress and notes.</summary>
/// <param name="output">Data.</param>
/// <param name="error">Progress and notes.</param>
/// <param name="animated">Whether standard error is a terminal on which a line may be redrawn.</param>
/// <param name="colored">Whether standard output shows colours.</param>
/// <param name="width">Columns that tables may take; null: those of the terminal, and as many as it takes where there is none.</param>
internal sealed class Terminal(TextWriter output, TextWriter error, bool animated, bool colored, int? width = null)
{
    private static readonly JsonSerializerOptions Compact = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly JsonSerializerOptions Indented = new(Compact) { WriteIndented = true };

    /// <summary>Data.</summary>
    public TextWriter Out { get; } = output;

    /// <summary>Progress and notes.</summary>
    public TextWriter Error { get; } = error;

    /// <summary>Whether a line of standard error may be redrawn.</summary>
    public bool Animated { get; } = animated;

    /// <summary>Whether standard output shows colours.</summary>
    public bool Colored { get; } = colored;

    /// <summary>The terminal of this process; NO_COLOR and TERM=dumb are obeyed.</summary>
    public static Terminal OfProcess()
    {
        var plain = Environment.GetEnvironmentVariable("TERM") is "dumb";
        var noColor = Environment.GetEnvironmentVariable("NO_COLOR") is { Length: > 0 };
        return new Terminal(
            Console.Out,
            Console.Error,
            animated: !Console.IsErrorRedirected && !plain,
            colored: !Console.IsOutputRedirected && !noColor && !plain
        );
    }

    /// <summary>A line of data.</summary>
    public void Line(string text) => Out.WriteLine(text);

    /// <summary>A line for the person at the terminal.</summary>
    public void Note(string text) => Error.WriteLine(text);

    /// <summary>JSON on one line.</summary>
    public void JsonLine(JsonNode data) => Out.WriteLine(data.ToJsonString(Compact));

    /// <summary>Data in the format asked for; <paramref name="table"/> makes the form for people.</summary>
    public void Data(JsonNode data, OutputFormat format, Func<Table> table)
    {
        switch (format)
        {
            case OutputFormat.Json:
                Out.WriteLine(data.ToJsonString(Indented));
                break;
            case OutputFormat.Yaml:
                Out.Write(YamlText.Write(data));
                break;
            case OutputFormat.Ndjson:
                foreach (var item in data is JsonArray items ? items : [data.DeepClone()]) JsonLine(item!);
                break;
            default:
                Table(table());
                break;
        }
    }

    /// <summary>A table without lines around it.</summary>
    public static Table NewTable(params string[] columns)
    {
        var table = new Table { Border = TableBorder.None, UseSafeBorder = true };
        foreach (var column in columns)
            table.AddColumn(
                new TableColumn(new Text(column, new Style(decoration: Decoration.Bold)))
                {
                    NoWrap = true,
                    Padding = new Padding(0, 0, 2, 0),
                }
            );
        return table;
    }

    private void Table(Table table)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = Colored ? AnsiSupport.Yes : AnsiSupport.No,
            ColorSystem = Colored ? ColorSystemSupport.Standard : ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
            Out = new AnsiConsoleOutput(Out),
        });
        // A pipe has no width: nothing may be cut there.
        if (width is { } columns) console.Profile.Width = columns;
        else if (Console.IsOutputRedirected) console.Profile.Width = 4000;
        console.Write(table);
    }
}
