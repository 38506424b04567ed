using Spectre.Console;

namespace Peft.Orleans.Client.Output;

/// <summary>Rows of plain text: no markup in what users name.</summary>
internal static class TableRows
{
    /// <summary>Adds a row.</summary>
    public static void Row(this Table table, params string[] cells) => table.AddRow(cells.Select(static cell => new Text(cell)));
}
