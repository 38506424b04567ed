using System.CommandLine;
using Peft.Orleans.Client.Checks;
using Peft.Orleans.Client.Clusters;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Client.Runs;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Client.Commands;

/// <summary><c>start-run</c>.</summary>
internal static class StartRunCommand
{
    private sealed record Options(
        string File,
        string[] Set,
        int Silos,
        string? Cluster,
        string? RunId,
        bool DryRun,
        bool NoWait,
        OutputFormat Format
    );

    public static Command Create(Terminal terminal)
    {
        var file = new Option<string>("--file", "-f")
        {
            Required = true,
            HelpName = "FILE",
            Description = "The run file (YAML).",
        };
        var set = new Option<string[]>("--set")
        {
            HelpName = "KEY=VALUE",
            Description = "Lay a value over the file, for example training.steps=20; may be repeated, the last wins.",
            DefaultValueFactory = static _ => [],
        };
        var local = CommonOptions.Local();
        var cluster = CommonOptions.Cluster();
        var runId = new Option<string?>("--run-id")
        {
            HelpName = "ID",
            Description =
                "Id of the run; the same command with the same id starts it once, and continues it if it was interrupted (default: name "
                    + "and a random suffix).",
        };
        var dryRun = new Option<bool>("--dry-run")
        {
            Description = "Check everything, print the plan, the predicted memory per silo and the resolved file; start nothing.",
        };
        var noWait = new Option<bool>("--no-wait") { Description = "Return as soon as the run is under way; follow it with watch." };
        var output = OutputOption.Create("table", "json", "yaml");
        var command = new Command("start-run", "Fine-tune a model as a run file says, on local silo processes or a running cluster.")
        {
            file,
            set,
            local,
            cluster,
            runId,
            dryRun,
            noWait,
            output,
        };
        command.SetAction(
            async (parsed, _) =>
            {
                var (silos, address) = CommonOptions.Choose(parsed, local, cluster);
                return await Run(
                    terminal,
                    new Options(
                        parsed.GetValue(file)!,
                        parsed.GetValue(set)!,
                        silos,
                        address,
                        parsed.GetValue(runId),
                        parsed.GetValue(dryRun),
                        parsed.GetValue(noWait),
                        parsed.Format(output)
                    )
                );
            }
        );
        return command;
    }

    private static async Task<int> Run(Terminal terminal, Options options)
    {
        var spec = RunFile.Load(options.File, options.Set);
        var id = RunPreparation.NewId(spec, options.RunId);
        if (options.Cluster is not null && !options.DryRun) return await Remote(terminal, options, spec, id);
        using var checks = new StartChecks(terminal);
        var model = checks.Run(
            spec, key => RunFile.Where(options.File, options.Set, key), options.DryRun, Path.Combine(spec.Output, id));
        var data = checks.DataOf(spec);
        var resolved = RunPreparation.Resolve(spec, model, id, options.Silos);
        var known = RunPreparation.Existing(resolved, id);
        if (options.DryRun)
        {
            RunIndex.OfUser().RequireUsable();
            RunPlan.Write(terminal, resolved, Math.Max(1, options.Silos), options.Format);
            if (!model.HasWeights && !MethodTraits.Of(resolved.Method).TrainsBase)
                terminal.Note($"the plan alone: {model.Path} has no weights, and start-run needs them");
            return ExitCodes.Success;
        }

        spec = resolved.Spec;
        if (
            known is not null
            && RunFolderReader.Status(known.Folder) is { State: RunState.Completed } done
        )
            return RunEndReport.Write(terminal, done, "completed", spec, known.Folder, options.Format);
        RunIndex.OfUser().RequireWritable();
        using var held = RunLock.Take(Path.Combine(spec.Output, id), id);
        var run = RunPreparation.Create(resolved, id);
        data.SaveIndex(run.Folder);
        if (!run.Existed) RunIndex.OfUser().Add(new IndexedRun(id, run.Folder, null, DateTimeOffset.UtcNow));
        if (options.NoWait)
        {
            held.Dispose();
            await BackgroundClient.Start(terminal, run, options.Silos);
            var before = run.Existed ? RunFolderReader.Status(run.Folder) : null;
            terminal.Note($"run {id} goes on in the background. Follow it with: peft-client watch {id}");
            return RunEndReport.Write(
                terminal,
                before ?? new RunStatus { RunId = id, Folder = run.Folder },
                "detached",
                spec,
                run.Folder,
                options.Format
            );
        }

        using var interruption = new Interruption();
        var (status, word) = await new RunSession(terminal, interruption).Local(run, options.Silos, resume: run.Existed);
        return RunEndReport.Write(terminal, status, word, spec, run.Folder, options.Format);
    }

    /// <summary>Paths are the silos' there, except data sets that only this machine has; what they do not find they refuse.</summary>
    private static async Task<int> Remote(Terminal terminal, Options options, RunSpec spec, string id)
    {
        RunIndex.OfUser().RequireWritable();
        using var interruption = new Interruption();
        await using var client = await ClusterClient.ToAddress(terminal, options.Cluster!, interruption.Asked);
        spec = await DataUpload.Run(terminal, client, spec, interruption.Asked);
        var run = new PreparedRun(id, Path.Combine(spec.Output, id), spec, RunFile.Write(spec), Existed: false);
        var session = new RunSession(terminal, interruption);
        // An id that is there is continued where it was interrupted, as on silos of this machine.
        var accepted = await RunSession.Hand(client, run, resume: true, interruption.Asked);
        RunIndex.OfUser().Add(new IndexedRun(id, run.Folder, options.Cluster, DateTimeOffset.UtcNow));
        var (status, word) = options.NoWait
            ? (accepted, RunSession.WordOf(accepted.State) ?? "detached")
            : await session.Watch(client, new IndexedRun(id, run.Folder, options.Cluster, DateTimeOffset.UtcNow));
        if (word == "detached" && options.NoWait)
            terminal.Note($"run {id} goes on at {options.Cluster}. Follow it with: peft-client watch {id}");
        return RunEndReport.Write(terminal, status, word, spec, run.Folder, options.Format);
    }
}
