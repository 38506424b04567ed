using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Peft.Orleans.Client.Clusters;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Client.Commands;

/// <summary><c>score</c>.</summary>
internal static class ScoreCommand
{
    // A call carries this many items: progress is told between calls.
    private const int ItemsPerCall = 64;

    public static Command Create(Terminal terminal)
    {
        var model = new ModelOptions();
        var input = new Option<string>("--input")
        {
            Required = true,
            HelpName = "FILE",
            Description = "Lines {\"context\", \"continuation\"} or {\"input_ids\", \"labels\"}; '-' is standard input.",
        };
        var results = new Option<string>("--output")
        {
            Required = true,
            HelpName = "FILE",
            Description = "Lines {\"logLikelihood\", \"tokens\", \"isGreedy\"} in the same order; '-' is standard output.",
        };
        var local = CommonOptions.Local();
        var cluster = CommonOptions.Cluster();
        var command = new Command("score", "Log-likelihood of continuations under a model, with or without an adapter.");
        model.AddTo(command);
        foreach (var option in (Option[])[input, results, local, cluster])
            command.Add(option);
        command.SetAction(
            async (parsed, _) =>
            {
                var (silos, address) = CommonOptions.Choose(parsed, local, cluster);
                var (request, folder) = model.Read(parsed);
                ITextTokenizer? tokenizer = null;
                using var piped = PipedInput.Open(parsed.GetValue(input)!);
                var items = piped.Read(path => ScoreItems.Read(
                    path,
                    () => tokenizer ??= TokenizerLoader.Load(request.ModelPath),
                    folder.Vocabulary));
                var target = parsed.GetValue(results)!;
                await using var writer = target == "-" ? null : Open(target);
                using var interruption = new Interruption();
                await using var work = await WorkCluster.Open(terminal, silos, address, interruption.Asked);
                await work.Wait(
                    Score(work.Client, request, items, writer ?? terminal.Out, terminal, address is not null),
                    interruption.Asked
                );
                return ExitCodes.Success;
            }
        );
        return command;
    }

    private static async Task<int> Score(
        ClusterClient client,
        ModelRequest model,
        IReadOnlyList<ScoreItem> items,
        TextWriter writer,
        Terminal terminal,
        bool close
    )
    {
        var grain = client.Grains.GetGrain<IEvaluationGrain>("score-" + Guid.NewGuid().ToString("N"));
        await grain.Open(model);
        var done = 0;
        foreach (var chunk in items.Chunk(ItemsPerCall))
        {
            foreach (var score in await grain.Score(chunk))
            {
                var line = new JsonObject
                {
                    ["logLikelihood"] = score.LogLikelihood,
                    ["tokens"] = score.Tokens,
                    ["isGreedy"] = score.IsGreedy,
                };
                await writer.WriteLineAsync(line.ToJsonString());
            }

            done += chunk.Length;
            if (items.Count > ItemsPerCall) terminal.Note(string.Create(CultureInfo.InvariantCulture, $"scored {done} of {items.Count}"));
        }

        await writer.FlushAsync();
        if (close) await grain.Close();
        return done;
    }

    private static StreamWriter Open(string path)
    {
        if (Directory.Exists(path)) throw new PeftException($"--output {path} is a folder; name a file in it, or - for standard output");
        try
        {
            return new StreamWriter(path) { NewLine = "\n" };
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new PeftException($"--output {path} cannot be written: {error.Message}", error);
        }
    }
}
