using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Peft.Orleans.Client.Clusters;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.ChatTemplates;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Client.Commands;

/// <summary><c>generate</c>.</summary>
internal static class GenerateCommand
{
    public static Command Create(Terminal terminal)
    {
        var model = new ModelOptions();
        var prompt = new Option<string?>("--prompt") { HelpName = "TEXT", Description = "Text to continue." };
        var promptIds = new Option<string?>("--prompt-ids")
        {
            HelpName = "1,2,3",
            Description = "Token ids to continue; needs no tokenizer.",
        };
        var chat = new Option<string?>("--chat")
        {
            HelpName = "TEXT",
            Description = "A user's message, put into the model's chat template.",
        };
        var template = new Option<string?>("--chat-template")
        {
            HelpName = "model|chatml|llama3|vicuna|FILE",
            Description = "With --chat: the template (default: model, the one in the model's folder); FILE is a .jinja file.",
        };
        var length = new Option<int>("--max-new-tokens")
        {
            HelpName = "N",
            Description = "Largest number of new tokens.",
            DefaultValueFactory = static _ => 128,
        };
        var greedy = new Option<bool>("--greedy")
        {
            Description = "Always the most likely token (the default unless --temperature is given).",
        };
        var temperature = new Option<double?>("--temperature") { HelpName = "T", Description = "Sample with this temperature." };
        var topP = new Option<double?>("--top-p")
        {
            HelpName = "P",
            Description = "Sample from the most likely tokens whose probabilities reach P together (default: 1).",
        };
        var seed = new Option<long>("--seed") { HelpName = "S", Description = "Seed of the sampling (default: 0)." };
        var ignoreEos = new Option<bool>("--ignore-eos") { Description = "Do not stop at an end-of-text token." };
        var local = CommonOptions.Local();
        var cluster = CommonOptions.Cluster();
        var output = OutputOption.Create("table", "json", "yaml");
        var command = new Command("generate", "Continue a prompt with a model, with or without an adapter, its layers spread over silos.");
        model.AddTo(command);
        Option[] options =
            [prompt, promptIds, chat, template, length, greedy, temperature, topP, seed, ignoreEos, local, cluster, output];
        foreach (var option in options) command.Add(option);
        temperature.Number(static value => value > 0, "a number above 0; --greedy takes the most likely token");
        topP.Number(static value => value is > 0 and <= 1, "a number above 0 and of at most 1");
        length.Number(static value => value >= 1, "an integer of at least 1");
        seed.Number(static _ => true, "an integer");
        command.Validators.Add(result =>
        {
            if (new[] { prompt, promptIds, chat }.Count(option => result.IsGiven(option)) != 1)
                result.AddError("give exactly one of --prompt, --prompt-ids and --chat");
            if (result.IsGiven(template) && !result.IsGiven(chat))
                result.AddError("--chat-template belongs to --chat");
            if (result.IsGiven(greedy) && (result.IsGiven(temperature) || result.IsGiven(topP)))
                result.AddError("--greedy excludes --temperature and --top-p");
        });
        command.SetAction(
            async (parsed, _) =>
            {
                var (silos, address) = CommonOptions.Choose(parsed, local, cluster);
                var (request, folder) = model.Read(parsed);
                var tokenizer =
                    parsed.GetValue(promptIds) is null || TokenizerLoader.Exists(request.ModelPath)
                        ? TokenizerLoader.Load(request.ModelPath)
                        : null;
                var prompts = Prompts(parsed.GetValue(template), request);
                var ids =
                    parsed.GetValue(promptIds) is { } list ? ParseIds(list)
                    : parsed.GetValue(chat) is { } message
                        ? Chat(Template(prompts, request), message, tokenizer!)
                    : tokenizer!.Encode(parsed.GetValue(prompt)!, addSpecialTokens: true);
                Check(ids, folder, parsed.GetValue(length));
                var sampled = parsed.GetValue(temperature) is not null || parsed.GetValue(topP) is not null;
                var generation = new GenerationRequest(
                    [ids],
                    parsed.GetValue(length),
                    parsed.GetValue(ignoreEos) ? [] : [.. EndTokens(prompts, folder, parsed.GetValue(chat) is not null)],
                    sampled ? parsed.GetValue(temperature) ?? 1 : 0,
                    parsed.GetValue(topP) ?? 1,
                    parsed.GetValue(seed)
                );
                using var interruption = new Interruption();
                var result = await Generate(terminal, silos, address, request, generation, interruption.Asked);
                Write(terminal, result, tokenizer, parsed.Format(output));
                return ExitCodes.Success;
            }
        );
        return command;
    }

    /// <summary>The template beside the adapter, else the model's.</summary>
    private static ChatTemplate Template(TrainedPrompts prompts, ModelRequest model) => prompts.Template ?? ChatTemplate.Select(
        ChatTemplateNames.Model, prompts.Text is null ? model.ModelPath : model.AdapterPath!,
        remedy: "give --chat-template chatml, llama3, vicuna or a file, or the whole text by --prompt");

    private static int[] Chat(ChatTemplate template, string message, ITextTokenizer tokenizer)
    {
        try
        {
            return template.EncodePrompt(tokenizer, new Conversation([new ChatMessage(ChatMessage.User, message)]));
        }
        catch (FormatException error)
        {
            throw new PeftException($"--chat: {error.Message}", error);
        }
    }

    /// <summary>As the model and its adapter were trained, with the template asked for.</summary>
    private static TrainedPrompts Prompts(string? template, ModelRequest model)
    {
        var trained = TrainedPrompts.OfFolders(model.ModelPath, model.AdapterPath);
        return template is null or ChatTemplateNames.Model
            ? trained
            : trained with { Template = ChatTemplate.Select(template, model.ModelPath) };
    }

    /// <summary>A text without turns does not end with one, unless the tokenizer's end-of-text token is the same.</summary>
    private static IReadOnlyList<int> EndTokens(TrainedPrompts prompts, ModelFolder model, bool chat) =>
        (chat ? prompts : prompts with { Template = null }).EndTokens(model);

    private static async Task<GenerationResult> Generate(
        Terminal terminal,
        int silos,
        string? address,
        ModelRequest model,
        GenerationRequest request,
        CancellationToken cancellation
    )
    {
        await using var work = await WorkCluster.Open(terminal, silos, address, cancellation);
        var grain = work.Client.Grains.GetGrain<IGenerationGrain>("generate-" + Guid.NewGuid().ToString("N"));
        return await work.Wait(Work(), cancellation);

        async Task<GenerationResult> Work()
        {
            await grain.Open(model);
            var results = await grain.Generate(request);
            if (address is not null) await grain.Close();
            return results[0];
        }
    }

    private static void Write(Terminal terminal, GenerationResult result, ITextTokenizer? tokenizer, OutputFormat format)
    {
        var text = tokenizer?.Decode(result.Ids, skipSpecialTokens: true);
        if (format == OutputFormat.Table)
        {
            terminal.Line(text ?? string.Join(',', result.Ids));
            return;
        }

        var data = new JsonObject
        {
            ["ids"] = new JsonArray([.. result.Ids.Select(static id => (JsonNode)id)]),
            ["text"] = text,
            ["finish"] = result.Stopped ? "stop" : "length",
        };
        if (format == OutputFormat.Json) terminal.JsonLine(data);
        else terminal.Out.Write(YamlText.Write(data));
    }

    private static int[] ParseIds(string list)
    {
        try
        {
            return
            [
                .. list.Split(',', StringSplitOptions.TrimEntries)
                    .Select(static id => int.Parse(id, NumberStyles.None, CultureInfo.InvariantCulture)),
            ];
        }
        catch (Exception error) when (error is FormatException or OverflowException)
        {
            throw new PeftException($"--prompt-ids {list}: expected token ids separated by commas, like 1,2,3", error);
        }
    }

    private static void Check(int[] ids, ModelFolder model, int length)
    {
        if (ids.Length == 0)
            throw new PeftException(
                "the prompt has no token; this tokenizer adds none at the beginning, so write at least one character"
            );
        if (ids.FirstOrDefault(id => id >= model.Vocabulary, -1) is var large and >= 0)
            throw new PeftException(
                $"token id {large} is not below the model's vocab_size {model.Vocabulary}; do model and tokenizer belong together?"
            );
        model.GenerationBound?.Require(ids.Length, length, "--max-new-tokens");
        if (model.MaxPositions > 0 && ids.Length + length > model.MaxPositions && ids.Length >= model.MaxPositions)
            throw new PeftException(
                $"the prompt has {ids.Length} tokens, and the model is made for {model.MaxPositions} (max_position_embeddings); shorten it"
            );
    }
}
