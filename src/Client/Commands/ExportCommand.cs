using System.CommandLine;
using System.Text.Json;
using Peft.Orleans.Client.Clusters;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Client.Runs;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Client.Commands;

/// <summary><c>export</c>.</summary>
internal static class ExportCommand
{
    private sealed record Source(string Adapter, string? Base, bool Full);

    public static Command Create(Terminal terminal)
    {
        var source = new Argument<string>("RUN|ADAPTER_DIR") { Description = "A run (folder or id), or an adapter folder." };
        var basePath = new Option<string?>("--base") { HelpName = "DIR", Description = "The base model (default: the run's, or the adapter's base_model_name_or_path)." };
        var to = new Option<string>("--to") { Required = true, HelpName = "DIR", Description = "Folder to write; new or empty." };
        var kind = new Option<string>("--as") { Required = true, HelpName = "adapter|lora|merged", Description = "adapter: as trained; lora: a PEFT LoRA adapter; merged: a Hugging Face folder." };
        kind.AcceptOnlyFromAmong("adapter", "lora", "merged");
        var rank = new Option<int?>("--rank") { HelpName = "R", Description = "With --as lora: rank of the approximation." };
        rank.Number(static value => value >= 1, "an integer of at least 1");
        var dtype = ModelOptions.CreateDtype();
        var command = new Command("export", "Write a run's result in a form that other tools load.") { source, basePath, to, kind, rank, dtype };
        command.Validators.Add(result =>
        {
            if (result.IsGiven(rank) && result.GetValue(kind) != "lora") result.AddError("--rank belongs to --as lora");
            if (result.IsGiven(dtype) && result.GetValue(kind) != "merged") result.AddError("--dtype belongs to --as merged");
        });
        command.SetAction(async (parsed, _) =>
        {
            var target = Path.GetFullPath(parsed.GetValue(to)!);
            if (Directory.Exists(target) && Directory.EnumerateFileSystemEntries(target).Any()) throw new PeftException($"--to {target} is not empty; name a new folder");
            var found = Find(parsed.GetValue(source)!);
            await Export(terminal, found, parsed.GetValue(kind)!, target, parsed.GetValue(basePath), parsed.GetValue(rank), ModelOptions.Parse(parsed.GetValue(dtype)));
            return ExitCodes.Success;
        });
        return command;
    }

    private static async Task Export(Terminal terminal, Source source, string kind, string target, string? basePath, int? rank, WeightType? dtype)
    {
        if (source.Full)
        {
            if (kind != "merged") throw new PeftException($"method full has no adapter; use --as merged, which copies {source.Adapter}");
            if (dtype is not (null or WeightType.Float32)) throw new PeftException("a model of method full is float32; leave --dtype out");
            Copy(source.Adapter, target);
            terminal.Line($"model copied to {target}");
            return;
        }

        if (kind == "adapter" || (kind == "lora" && rank is null && TypeOf(source.Adapter) == "LORA"))
        {
            Copy(source.Adapter, target);
            terminal.Line($"adapter copied to {target}");
            return;
        }

        if (kind == "lora" && rank is null && TypeOf(source.Adapter) != "LORA_GA") throw new PeftException("this adapter is no LoRA: its change of weights is approximated, to a rank that --rank R gives (2 × lora.rank holds the low-rank part of method hybrid)");

        var model = basePath ?? source.Base ?? throw new PeftException("the adapter does not say its base model; give --base DIR");
        if (!File.Exists(Path.Combine(model, "config.json"))) throw new PeftException($"base model {model}: no config.json in it; give --base DIR");
        using var interruption = new Interruption();
        await using var work = await WorkCluster.Open(terminal, 1, null, interruption.Asked);
        var grain = work.Client.Grains.GetGrain<IExportGrain>("export-" + Guid.NewGuid().ToString("N"));
        var request = new ExportRequest(source.Adapter, Path.GetFullPath(model), target, kind, rank, dtype);
        terminal.Line(await work.Wait(grain.Export(request), interruption.Asked));
    }

    private static Source Find(string name)
    {
        if (File.Exists(Path.Combine(name, "adapter_config.json")))
        {
            using var config = JsonDocument.Parse(File.ReadAllText(Path.Combine(name, "adapter_config.json")));
            var model = config.RootElement.TryGetProperty("base_model_name_or_path", out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
            return new Source(Path.GetFullPath(name), model, Full: false);
        }

        var run = RunIndex.OfUser().Find(name);
        var spec = RunFile.Load(Path.Combine(run.Folder, RunFiles.RunYaml));
        var full = MethodTraits.Of(spec.Method).TrainsBase;
        var folder = Path.Combine(run.Folder, full ? RunFiles.Model : RunFiles.Adapter);
        return Directory.Exists(folder)
            ? new Source(folder, spec.Model.Path, full)
            : throw new PeftException($"run {run.Id} has no {(full ? "model" : "adapter")} yet ({folder}); it is written when the run is completed: peft-client describe run {run.Id}");
    }

    private static string? TypeOf(string adapter)
    {
        using var config = JsonDocument.Parse(File.ReadAllText(Path.Combine(adapter, "adapter_config.json")));
        return config.RootElement.TryGetProperty("peft_type", out var type) ? type.GetString() : null;
    }

    private static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var file in Directory.EnumerateFiles(from)) File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
    }
}
