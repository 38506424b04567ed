using System.CommandLine;
using Peft.Orleans.Client.Comparison;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Client.Runs;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Datasets;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Client.Commands;

/// <summary><c>compare</c>.</summary>
internal static class CompareCommand
{
    public static Command Create(Terminal terminal)
    {
        var file = new Option<string>("--file", "-f")
        {
            Required = true,
            HelpName = "FILE",
            Description = "The comparison file (YAML): base, methods, repeats, grid.",
        };
        var set = new Option<string[]>("--set")
        {
            HelpName = "KEY=VALUE",
            Description = "Lay a value over the base run, for example model.path=DIR, or over repeats; may be repeated, the last wins.",
            DefaultValueFactory = static _ => [],
        };
        var local = CommonOptions.Local();
        var to = new Option<string?>("--to")
        {
            HelpName = "DIR",
            Description = "Folder of tables and figures (default: the base run's output, below it compare-NAME).",
        };
        var output = OutputOption.Create("table", "json", "yaml");
        var command = new Command(
            "compare",
            "Train with several methods on the same data and seeds, each beside a LoRA of as many parameters, and write tables and figures."
        )
        {
            file,
            set,
            local,
            to,
            output,
        };
        command.SetAction(
            async (parsed, _) =>
                await Run(
                    terminal,
                    parsed.GetValue(file)!,
                    parsed.GetValue(set)!,
                    parsed.GetValue(local) ?? 1,
                    parsed.GetValue(to),
                    parsed.Format(output)
                )
        );
        return command;
    }

    private static async Task<int> Run(Terminal terminal, string path, string[] sets, int silos, string? to, OutputFormat format)
    {
        var file = ComparisonFile.Load(path, sets);
        var resolver = new CombinationResolver(file, silos);
        var model = resolver.CheckAll();
        var first = resolver.Candidates(file.Methods[0])[0].Spec;
        var folder = Path.GetFullPath(to ?? Path.Combine(first.Output, "compare-" + first.Name));
        RunIndex.OfUser().RequireWritable();
        Directory.CreateDirectory(folder);
        using var interruption = new Interruption();
        var runner = new ComparisonRunner(
            file,
            resolver,
            model.Dimensions,
            resolver.Samples,
            silos,
            new LocalRunMaker(terminal, interruption, model, silos),
            TimeProvider.System
        )
        {
            Note = terminal.Note,
            Progress = result => Tables(result, folder),
        };
        ComparisonResult result;
        try
        {
            result = await runner.Run();
        }
        catch
        {
            terminal.Note($"what is finished is kept; go on with: {Again(path, sets, silos, to)}");
            throw;
        }

        Tables(result, folder);
        Figures(terminal, result, folder);
        terminal.Note($"tables and figures: {folder}");
        switch (format)
        {
            case OutputFormat.Json:
                terminal.JsonLine(ComparisonTable.Json(result));
                break;
            case OutputFormat.Yaml:
                terminal.Out.Write(YamlText.Write(ComparisonTable.Json(result)));
                break;
            default:
                terminal.Out.Write(ComparisonTable.Markdown(result));
                break;
        }

        if (runner.Interrupted || result.Failed)
            terminal.Note($"{result.Finished} of {result.Total} runs are finished and kept; go on with: {Again(path, sets, silos, to)}");
        return runner.Interrupted ? ExitCodes.Stopped : result.Failed ? ExitCodes.Failed : ExitCodes.Success;
    }

    private static void Tables(ComparisonResult result, string folder)
    {
        Replace(Path.Combine(folder, "table.json"), ComparisonTable.Json(result).ToJsonString() + "\n");
        Replace(Path.Combine(folder, "table.md"), ComparisonTable.Markdown(result));
        Replace(Path.Combine(folder, "table.csv"), ComparisonTable.Csv(result));
    }

    /// <summary>A reader finds the former table or the new one, never half of one.</summary>
    private static void Replace(string path, string text)
    {
        File.WriteAllText(path + ".part", text);
        File.Move(path + ".part", path, overwrite: true);
    }

    /// <summary>Pictures are a courtesy: a machine without their native library still has its tables.</summary>
    private static void Figures(Terminal terminal, ComparisonResult result, string folder)
    {
        try
        {
            ComparisonFigures.Write(result, folder);
        }
        catch (Exception error)
            when (error is DllNotFoundException or TypeInitializationException or IOException or InvalidOperationException)
        {
            terminal.Note($"no figures: {(error.InnerException ?? error).Message}");
        }
    }

    private static string Again(string path, string[] sets, int silos, string? to) =>
        $"peft-client compare -f {path}{string.Concat(sets.Select(static set => $" --set {set}"))} --local "
            + $"{silos}{(to is null ? "" : $" --to {to}")}";
}
