using System.CommandLine;
using System.Globalization;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Exports;
using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Client.Commands;

/// <summary><c>make-model</c>.</summary>
internal static class MakeModelCommand
{
    public static Command Create(Terminal terminal)
    {
        var config = new Option<string>("--config")
        {
            Required = true,
            HelpName = "FILE",
            Description = "A model's config.json, or the folder that holds it; tokenizer files beside it are copied.",
        };
        var layers = new Option<int?>("--layers") { HelpName = "N", Description = "Decoder layers (default: all of them)." };
        layers.Number(static value => value >= 1, "an integer of at least 1");
        var to = new Option<string>("--to") { Required = true, HelpName = "DIR", Description = "Folder to write; new or empty." };
        var seed = new Option<long>("--seed") { HelpName = "S", Description = "Seed (default: 0); the same seed gives the same bytes." };
        seed.Number(static _ => true, "an integer");
        var dtype = ModelOptions.CreateDtype();
        dtype.Description = "Type of the weights (default: as config.json says).";
        var command = new Command(
            "make-model",
            "Make a model folder with random weights of a configuration's shapes, to try a run or a machine without the real weights.")
        {
            config,
            layers,
            to,
            seed,
            dtype,
        };
        command.SetAction(parsed =>
        {
            var model = RandomModel.Of(parsed.GetValue(config)!);
            var count = parsed.GetValue(layers) ?? model.Layers;
            var type = ModelOptions.Parse(parsed.GetValue(dtype)) ?? model.StoredType;
            var progress = new ShareLine(terminal, $"layers: {count} of {model.Layers}, weights in {Word(type)}");
            var made = model.Write(Path.GetFullPath(parsed.GetValue(to)!), count, type, parsed.GetValue(seed), progress.Show);
            progress.End();
            Tell(terminal, made, type);
            return ExitCodes.Success;
        });
        return command;
    }

    private static void Tell(Terminal terminal, ModelFolder made, WeightType type)
    {
        var sizes = made.Dimensions;
        var parameters = (sizes.BlockParameters * sizes.Blocks) + (sizes.EmbeddingParameters * (sizes.Tied ? 1 : 2))
            + sizes.EmbeddingNorms + sizes.HeadNorms;
        terminal.Line(string.Create(
            CultureInfo.InvariantCulture,
            $"model of family {made.Family} with {sizes.Blocks} layers, {parameters:N0} random parameters in {Word(type)}: {made.Path}"));
        var tokens = made.HasTokenizer ? "" : " (it has no tokenizer: data.train.format tokens needs none)";
        terminal.Note($"next: peft-client start-run -f RUN.yaml --set model.path={made.Path}{tokens}");
    }

    private static string Word(WeightType type) => type.ToString().ToLowerInvariant();
}
