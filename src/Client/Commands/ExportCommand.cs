using System.CommandLine;
using Peft.Orleans.Client.Clusters;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Client.Runs;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Data.Adapters;
using Peft.Orleans.Data.Checks;
using Peft.Orleans.Data.Exports;

namespace Peft.Orleans.Client.Commands;

/// <summary><c>export</c>.</summary>
internal static class ExportCommand
{
    public static Command Create(Terminal terminal)
    {
        var source = new Argument<string>("RUN|ADAPTER_DIR") { Description = "A run (folder or id), or an adapter folder." };
        var basePath = new Option<string?>("--base")
        {
            HelpName = "DIR",
            Description = "The base model (default: the run's, or the adapter's base_model_name_or_path).",
        };
        var to = new Option<string>("--to")
        {
            Required = true,
            HelpName = "DIR",
            Description = "Folder to write; new or empty.",
        };
        var kind = new Option<string>("--as")
        {
            Required = true,
            HelpName = "adapter|lora|merged",
            Description = "adapter: as trained; lora: a PEFT LoRA adapter; merged: a Hugging Face folder.",
        };
        kind.AcceptOnlyFromAmong("adapter", "lora", "merged");
        var rank = new Option<int?>("--rank") { HelpName = "R", Description = "With --as lora: rank of the approximation." };
        rank.Number(static value => value >= 1, "an integer of at least 1");
        var dtype = ModelOptions.CreateDtype();
        var cluster = CommonOptions.Cluster();
        var command = new Command("export", "Write a run's result in a form that other tools load.")
        {
            source,
            basePath,
            to,
            kind,
            rank,
            dtype,
            cluster,
        };
        command.Validators.Add(result =>
        {
            if (result.IsGiven(rank) && result.GetValue(kind) != "lora") result.AddError("--rank belongs to --as lora");
            if (result.IsGiven(dtype) && result.GetValue(kind) != "merged") result.AddError("--dtype belongs to --as merged");
        });
        command.SetAction(
            async (parsed, _) =>
            {
                var request = new ExportRequest(
                    parsed.GetValue(source)!,
                    parsed.GetValue(basePath),
                    Path.GetFullPath(parsed.GetValue(to)!),
                    parsed.GetValue(kind)!,
                    parsed.GetValue(rank),
                    ModelOptions.Parse(parsed.GetValue(dtype))
                );
                // A cluster of the environment is not meant where the folder is here.
                var address = parsed.CommandResult.IsGiven(cluster) ? parsed.GetValue(cluster) : null;
                if (address is null)
                    await Local(terminal, request);
                else
                    await Remote(terminal, request, address);
                return ExitCodes.Success;
            }
        );
        return command;
    }

    private static async Task Local(Terminal terminal, ExportRequest request)
    {
        request = request with { AdapterPath = Find(request.AdapterPath) };
        var plan = ExportPlan.Of(request.AdapterPath, request.BasePath, request.ToPath, request.Kind, request.Rank, request.Dtype);
        if (plan.Copies)
        {
            terminal.Line(plan.Copy());
            return;
        }

        WeightChecks.Check(plan.Model!);
        await Ask(terminal, request with { BasePath = plan.Model!.Path }, null);
    }

    /// <summary>Paths are the silos' there: they check and write.</summary>
    private static async Task Remote(Terminal terminal, ExportRequest request, string address)
    {
        var source = request.AdapterPath;
        if (KnownRun(source) is { } known)
        {
            source = await ResultOf(terminal, known.Id, address);
        }
        else if (source.Contains('/', StringComparison.Ordinal))
        {
            source = Path.GetFullPath(source);
        }
        else
        {
            source = await ResultOf(terminal, source, address);
        }

        await Ask(
            terminal,
            request with
            {
                AdapterPath = source,
                BasePath = request.BasePath is { } model ? Path.GetFullPath(model) : null,
            },
            address
        );
    }

    private static async Task Ask(Terminal terminal, ExportRequest request, string? address)
    {
        using var interruption = new Interruption();
        await using var work = await WorkCluster.Open(terminal, 1, address, interruption.Asked);
        var grain = work.Client.Grains.GetGrain<IExportGrain>("export-" + Guid.NewGuid().ToString("N"));
        terminal.Line(await work.Wait(grain.Export(request), interruption.Asked));
    }

    /// <summary>The folder of an adapter, or of a run's adapter or model, on this machine.</summary>
    private static string Find(string name)
    {
        if (AdapterFolder.Is(name)) return Path.GetFullPath(name);
        var run = RunIndex.OfUser().Find(name);
        return Array.Find((string[])[run.Files.Model, run.Files.Adapter], Directory.Exists)
            ?? throw new PeftException(
                $"run {run.Id} has no adapter or model yet in {run.Folder}; it is written when the run is completed: peft-client describe "
                    + $"run {run.Id}"
            );
    }

    private static IndexedRun? KnownRun(string name)
    {
        try
        {
            return RunIndex.OfUser().Find(name);
        }
        catch (ClientException)
        {
            // Somebody else's run, or a folder of the silos'.
            return null;
        }
    }

    private static async Task<string> ResultOf(Terminal terminal, string id, string address)
    {
        using var interruption = new Interruption();
        await using var client = await ClusterClient.ToAddress(terminal, address, interruption.Asked);
        return (await client.StatusOf(id)).AdapterPath
            ?? throw new PeftException(
                $"run {id} has no adapter or model yet; it is written when the run is completed: peft-client describe run {id} --cluster "
                    + $"{address}"
            );
    }
}
