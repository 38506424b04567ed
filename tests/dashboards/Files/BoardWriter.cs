using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Orleans.Dashboards.Source;

namespace Peft.Orleans.Dashboards.Files;

/// <summary>A dashboard as Grafana imports it.</summary>
internal static class BoardWriter
{
    /// <summary>Grafana 10's form; later versions bring it up by themselves.</summary>
    private const int SchemaVersion = 38;

    private const int Columns = 24;

    private static readonly JsonSerializerOptions Form = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The file's text.</summary>
    internal static string Text(Board board) => Json(board).ToJsonString(Form) + "\n";

    /// <summary>The data source that the reader chose.</summary>
    internal static JsonObject Source() => new() { ["type"] = "prometheus", ["uid"] = "${datasource}" };

    private static JsonObject Json(Board board) => new()
    {
        ["uid"] = "peft-" + board.Name,
        ["title"] = board.Title,
        ["description"] = board.Description,
        ["tags"] = new JsonArray("peft-orleans"),
        ["schemaVersion"] = SchemaVersion,
        ["version"] = 1,
        ["editable"] = true,
        ["graphTooltip"] = 1,
        ["refresh"] = "10s",
        ["time"] = new JsonObject { ["from"] = "now-1h", ["to"] = "now" },
        ["timezone"] = "",
        ["annotations"] = new JsonObject { ["list"] = new JsonArray(Terms()) },
        ["links"] = new JsonArray(new JsonObject
        {
            ["type"] = "dashboards",
            ["title"] = "Peft.Orleans",
            ["tags"] = new JsonArray("peft-orleans"),
            ["asDropdown"] = true,
            ["includeVars"] = true,
            ["keepTime"] = true,
            ["icon"] = "external link",
            ["tooltip"] = "",
            ["url"] = "",
            ["targetBlank"] = false,
        }),
        ["templating"] = new JsonObject
        {
            ["list"] = new JsonArray([DataSource(), .. Variable.Common.Concat(board.Variables).Select(Json)]),
        },
        ["panels"] = Panels(board),
    };

    /// <summary>A line in every panel where a term begins: after a loss, or with a newcomer.</summary>
    private static JsonObject Terms() => new()
    {
        ["name"] = "Terms",
        ["datasource"] = Source(),
        ["enable"] = true,
        ["hide"] = false,
        ["iconColor"] = "purple",
        ["expr"] = PanelWriter.Expression("changes(max by (cluster, run) (peft_term{RUN})[1m:10s]) > 0"),
        ["titleFormat"] = "{{run}}: a new term",
        ["step"] = "10s",
    };

    private static JsonObject DataSource() => new()
    {
        ["name"] = "datasource",
        ["label"] = "Data source",
        ["type"] = "datasource",
        ["query"] = "prometheus",
        ["hide"] = 0,
        ["refresh"] = 1,
        ["regex"] = "",
        ["multi"] = false,
        ["includeAll"] = false,
        ["options"] = new JsonArray(),
    };

    private static JsonObject Json(Variable variable) => new()
    {
        ["name"] = variable.Name,
        ["label"] = variable.Label,
        ["type"] = "query",
        ["datasource"] = Source(),
        ["query"] = new JsonObject { ["query"] = variable.Values, ["refId"] = variable.Name },
        ["definition"] = variable.Values,
        ["hide"] = 0,
        ["refresh"] = 2,
        ["regex"] = "",
        ["sort"] = 7,
        ["multi"] = true,
        ["includeAll"] = true,
        ["allValue"] = ".*",
        ["current"] = new JsonObject { ["text"] = "All", ["value"] = "$__all" },
        ["options"] = new JsonArray(),
    };

    private static JsonArray Panels(Board board)
    {
        var panels = new JsonArray();
        var id = 0;
        var top = 0;
        foreach (var row in board.Rows)
        {
            panels.Add(PanelWriter.Heading(++id, row.Title, top++));
            var (left, height) = (0, 0);
            foreach (var panel in row.Panels)
            {
                if (left + panel.Width > Columns) (left, top, height) = (0, top + height, 0);
                panels.Add(PanelWriter.Json(++id, panel, left, top));
                (left, height) = (left + panel.Width, Math.Max(height, panel.Height));
            }

            top += height;
        }

        return panels;
    }
}
