using System.CommandLine;
using System.Text.Json.Nodes;
using Peft.Orleans.Client.Checks;
using Peft.Orleans.Client.Output;

namespace Peft.Orleans.Client.Commands;

/// <summary><c>doctor</c>.</summary>
internal static class DoctorCommand
{
    public static Command Create(Terminal terminal)
    {
        var output = OutputOption.Create("table", "json", "yaml");
        var command = new Command(
            "doctor",
            "Look at this machine: can it run silos, which path do bf16 products take, and what to do if not."
        )
        {
            output,
        };
        command.SetAction(parsed =>
        {
            var findings = Doctor.Examine();
            var bad = findings.Where(static finding => finding.State == "bad").ToArray();
            var verdict = bad.Length == 0
                ? "this machine can run silos; try: peft-client start-run -f examples/quickstart.yaml --local 2"
                : "not ready: " + string.Join("; ", bad.Select(static finding => $"{finding.Name}: {finding.Remedy}"));
            var format = parsed.Format(output);
            var data = new JsonObject
            {
                ["findings"] = new JsonArray([
                    .. findings.Select(static finding =>
                        (JsonNode)
                            new JsonObject
                            {
                                ["name"] = finding.Name,
                                ["state"] = finding.State,
                                ["found"] = finding.Found,
                                ["remedy"] = finding.Remedy.Length == 0 ? null : finding.Remedy,
                            }
                    ),
                ]),
                ["fit"] = bad.Length == 0,
                ["verdict"] = verdict,
            };
            terminal.Data(data, format, () =>
            {
                var table = Terminal.NewTable("CHECK", "STATE", "FOUND", "TO DO");
                foreach (var finding in findings) table.Row(finding.Name, finding.State, finding.Found, finding.Remedy);
                return table;
            });
            if (format == OutputFormat.Table) terminal.Line(verdict);
            return bad.Length == 0 ? ExitCodes.Success : ExitCodes.Unfit;
        });
        return command;
    }
}
