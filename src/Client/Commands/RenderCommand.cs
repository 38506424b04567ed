using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.ChatTemplates;
using Peft.Orleans.Data.Jinja.Values;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Client.Commands;

/// <summary><c>render</c>: a conversation as training would see it, and what it would learn of it.</summary>
internal static class RenderCommand
{
    public static Command Create(Terminal terminal)
    {
        var model = new Option<string?>("--model") { HelpName = "DIR", Description = "A model's folder: its chat template and tokenizer." };
        var template = new Option<string?>("--template")
        {
            HelpName = "FILE",
            Description = "A chat template: a .jinja file, chatml, llama3 or vicuna; with --model in place of the model's own.",
        };
        var messages = new Option<string>("--messages")
        {
            Required = true,
            HelpName = "FILE",
            Description = "A JSON list of messages, or an object with \"messages\", \"tools\" and \"chat_template_kwargs\", as a line "
                + "of data.",
        };
        var tools = new Option<string?>("--tools") { HelpName = "FILE", Description = "A JSON list of tools." };
        var open = new Option<bool>("--add-generation-prompt") { Description = "End where the model's next reply begins." };
        var variables = new Option<string?>("--variables")
        {
            HelpName = "FILE",
            Description = "A JSON object of further variables of the template (enable_thinking, documents, bos_token, …).",
        };
        var ends = new Option<string[]>("--end-of-turn")
        {
            HelpName = "TEXT",
            Description = "A text that closes an assistant message, as data.end_of_turn; may be given several times.",
        };
        var output = OutputOption.Create("table", "json", "yaml");
        var command = new Command("render", "Show a conversation as training sees it, with what is learned of it marked.")
        {
            model, template, messages, tools, open, variables, ends, output,
        };
        command.Validators.Add(result =>
        {
            if (!result.IsGiven(model) && !result.IsGiven(template)) result.AddError("give --model DIR or --template FILE");
        });
        command.SetAction(parsed =>
        {
            var conversation = ConversationFile.Read(
                parsed.GetValue(messages)!, parsed.GetValue(tools), parsed.GetValue(variables));
            var folder = parsed.GetValue(model);
            var choice = parsed.GetValue(template) ?? ChatTemplateNames.Model;
            var settings = new ChatSettings { EndOfTurn = parsed.GetValue(ends) is { Length: > 0 } given ? given : null };
            var chat = ChatTemplate.Select(choice, folder, settings, "name one with --template: chatml, llama3, vicuna or a .jinja file");
            var tokenizer = folder is not null && TokenizerLoader.Exists(folder) ? TokenizerLoader.Load(folder) : null;
            if (folder is not null && !Directory.Exists(folder)) throw new PeftException($"--model {folder} is no folder");
            if (parsed.GetValue(variables) is null) Require(chat, conversation, parsed.GetValue(messages)!);
            var learned = Render(chat, conversation, tokenizer, parsed.GetValue(open), parsed.GetValue(messages)!);
            if (parsed.Format(output) == OutputFormat.Table) Show(terminal, learned, tokenizer, choice);
            else Write(terminal, learned, tokenizer, parsed.Format(output));
            return ExitCodes.Success;
        });
        return command;
    }

    /// <summary>Refuses variables beside the messages that a line of data may not have.</summary>
    private static void Require(ChatTemplate chat, Conversation conversation, string file)
    {
        if (conversation.Variables is not { } given) return;
        try
        {
            TemplateVariables.Check(given, chat, conversation.Tools is not null);
        }
        catch (FormatException error)
        {
            throw new PeftException($"{file}: {error.Message}", error);
        }
    }

    private static LearnedText Render(ChatTemplate chat, Conversation conversation, ITextTokenizer? tokenizer, bool open, string file)
    {
        try
        {
            var rendering = new ChatRendering(chat, conversation, tokenizer);
            return LearnedText.OfWhole(rendering, EndOfTurn.Of(rendering), open);
        }
        catch (FormatException error)
        {
            throw new PeftException($"{file}: {error.Message}", error);
        }
    }

    private static void Write(Terminal terminal, LearnedText learned, ITextTokenizer? tokenizer, OutputFormat format)
    {
        var data = new JsonObject { ["text"] = learned.Text };
        if (tokenizer is not null)
            data["ids"] = new JsonArray([.. tokenizer.EncodeWithSpecials(learned.Text).Select(static id => (JsonNode)id)]);
        data["learned"] = learned.Spans is { } spans
            ? new JsonArray([.. spans.Select(span => (JsonNode)new JsonArray(Points(span.Start.Value), Points(span.End.Value)))])
            : null;
        if (learned.Reason is { } reason) data["reason"] = reason;
        if (format == OutputFormat.Json) terminal.JsonLine(data);
        else terminal.Out.Write(YamlText.Write(data));

        // People and other programs count code points.
        int Points(int units) => PythonText.Length(learned.Text.AsSpan(0, units));
    }

    private static void Show(Terminal terminal, LearnedText learned, ITextTokenizer? tokenizer, string choice)
    {
        var (begin, end) = terminal.Colored ? ("\u001b[1;32m", "\u001b[0m") : ("⟦", "⟧");
        var at = 0;
        foreach (var span in learned.Spans ?? [])
        {
            terminal.Out.Write(Visible(learned.Text[at..span.Start.Value]) + begin + Visible(learned.Text[span]) + end);
            at = span.End.Value;
        }

        terminal.Line(Visible(learned.Text[at..]));
        if (learned.Spans is not { } spans)
        {
            terminal.Note($"nothing is marked: {learned.Reason}");
            terminal.Note($"next: {learned.Remedy}");
            return;
        }

        var how = terminal.Colored ? "in colour" : "between ⟦ and ⟧";
        var tokens = "";
        if (tokenizer is not null)
        {
            var chat = RenderedChat.Encode(tokenizer, learned.Text, spans);
            tokens = $", {chat.Learned.Sum(span => span.GetOffsetAndLength(chat.Ids.Length).Length)} of {chat.Ids.Length} tokens";
        }

        terminal.Note($"learned ({how}): {spans.Count} {(spans.Count == 1 ? "span" : "spans")}{tokens}");
        terminal.Note($"next: peft-client start-run -f run.yaml --set data.chat_template={choice} --dry-run");
    }

    // What a text holds must not move the cursor or change the colour.
    private static string Visible(string text) => string.Create(text.Length, text, static (shown, source) =>
    {
        for (var i = 0; i < shown.Length; i++)
        {
            var unit = source[i];
            var hidden = char.IsControl(unit) && unit is not ('\n' or '\t');
            shown[i] = !hidden ? unit : unit < ' ' ? (char)('␀' + unit) : '␡';
        }
    });
}
