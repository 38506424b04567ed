using System.CommandLine;
using Peft.Orleans.Client.Checks;
using Peft.Orleans.Client.Clusters;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Client.Runs;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Runs;

namespace Peft.Orleans.Client.Commands;

/// <summary><c>resume</c>.</summary>
internal static class ResumeCommand
{
    public static Command Create(Terminal terminal)
    {
        var run = CommonOptions.Run();
        var local = CommonOptions.Local();
        var cluster = CommonOptions.Cluster();
        var file = new Option<string?>("--file", "-f")
        {
            HelpName = "FILE",
            Description = "Check that this is the run's file; another one is refused.",
        };
        var output = OutputOption.Create("table", "json", "yaml");
        var command = new Command(
            "resume",
            "Continue a run that was stopped, interrupted or failed, from its last snapshot; on any number of silos it ends with the "
                + "same bytes."
        )
        {
            run,
            local,
            cluster,
            file,
            output,
        };
        command.SetAction(
            async (parsed, _) =>
            {
                var (silos, address) = CommonOptions.Choose(parsed, local, cluster);
                return await Run(
                    terminal,
                    RunIndex.OfUser().FindPresent(parsed.GetValue(run)!),
                    silos,
                    address,
                    parsed.GetValue(file),
                    parsed.Format(output)
                );
            }
        );
        return command;
    }

    /// <summary>The text a run file resolves to; as it is written where its model is only on a remote cluster.</summary>
    private static string TextOf(RunSpec spec, RunSpec recorded) => Directory.Exists(spec.Model.Path)
        ? RunResolver.Resolve(spec, ModelFolder.Open(spec.Model.Path), threads: 1, recorded).Yaml
        : RunFile.Write(spec);

    private static async Task<int> Run(Terminal terminal, IndexedRun run, int silos, string? address, string? file, OutputFormat format)
    {
        var path = run.Files.RunFile;
        if (!File.Exists(path))
            throw new ClientException(ExitCodes.NotFound, $"run {run.Id}: {path} not found; a run is continued from its folder");
        var yaml = await File.ReadAllTextAsync(path);
        var spec = RunFile.Load(path);
        if (file is not null && TextOf(RunFile.Load(file), spec) != TextOf(spec, spec))
            throw new PeftException(
                $"{file} is not the run file of {run.Id} ({path}); a run is continued with the file it was created with, start another run "
                    + "for other values"
            );
        if (RunFolderReader.Status(run.Folder) is { State: RunState.Completed } done)
        {
            terminal.Note($"run {run.Id} is completed already");
            return RunEndReport.Write(terminal, done, "completed", spec, run.Folder, format);
        }

        using var interruption = new Interruption();
        var session = new RunSession(terminal, interruption);
        var prepared = new PreparedRun(run.Id, run.Folder, spec, yaml, Existed: true);
        if ((address ?? run.Cluster) is { } remote && silos == 0)
        {
            await using var client = await ClusterClient.ToAddress(terminal, remote, interruption.Asked);
            await RunSession.Hand(client, prepared, resume: true, interruption.Asked);
            var (status, word) = await session.Watch(client, run with { Cluster = remote });
            return RunEndReport.Write(terminal, status, word, spec, run.Folder, format);
        }

        using var held = RunLock.Take(run.Folder, run.Id);
        RunInputs.CheckAll(run.Folder, spec);
        using var checks = new StartChecks(terminal);
        checks.Run(spec, key => RunFile.Where(path, [], key), runFolder: run.Folder);
        checks.DataOf(spec).SaveIndex(run.Folder);
        var (ended, how) = await session.Local(prepared, silos, resume: true);
        return RunEndReport.Write(terminal, ended, how, spec, run.Folder, format);
    }
}
