using System.CommandLine;
using Peft.Orleans.Client.Checks;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Client.Commands;

/// <summary>The options that name a model for generate, score and export.</summary>
internal sealed class ModelOptions
{
    public Option<string> Model { get; } =
        new("--model")
        {
            Required = true,
            HelpName = "DIR",
            Description = "Hugging Face folder of the model.",
        };

    public Option<string?> Adapter { get; } = new("--adapter") { HelpName = "DIR", Description = "Adapter folder, ours or PEFT's." };

    public Option<string?> Dtype { get; } = CreateDtype();

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        command.Add(Model);
        command.Add(Adapter);
        command.Add(Dtype);
    }

    /// <summary>The model asked for, checked as far as this machine sees it.</summary>
    public (ModelRequest Request, ModelFolder Folder) Read(ParseResult parsed)
    {
        var model = Path.GetFullPath(parsed.GetValue(Model)!);
        var adapter = parsed.GetValue(Adapter) is { } folder ? Path.GetFullPath(folder) : null;
        var opened = StartChecks.Model(model, "--model");
        if (adapter is not null) AdapterChecks.Check(adapter, "--adapter", opened);
        return (new ModelRequest(opened.Path, adapter, Parse(parsed.GetValue(Dtype))), opened);
    }

    /// <summary>The option <c>--dtype</c>.</summary>
    public static Option<string?> CreateDtype()
    {
        var option = new Option<string?>("--dtype")
        {
            HelpName = "float32|bfloat16|float16",
            Description = "Type of the weights (default: as stored).",
        };
        option.AcceptOnlyFromAmong("float32", "bfloat16", "float16");
        return option;
    }

    /// <summary>Its value.</summary>
    public static WeightType? Parse(string? word) => word switch
    {
        "float32" => WeightType.Float32,
        "bfloat16" => WeightType.BFloat16,
        "float16" => WeightType.Float16,
        _ => null,
    };
}
