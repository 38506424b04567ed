using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.ChatTemplates;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Data.Datasets.Formats;

/// <summary>How a line of a data file becomes a sample; what is wrong with a line is a <see cref="FormatException"/>.</summary>
internal abstract class SampleFormat
{
    /// <summary>Whether lines hold token ids.</summary>
    public virtual bool IsTokens => false;

    /// <summary>Refuses what shows without tokens: fields that are missing, of another type, or would be ignored.</summary>
    public abstract void Check(JsonElement line);

    /// <summary>Ids and labels of a line.</summary>
    public abstract (int[] Ids, int[] Labels) Read(JsonElement line);

    /// <summary>The samples of a line: one, but of a conversation that is split.</summary>
    public virtual IReadOnlyList<(int[] Ids, int[] Labels)> ReadAll(JsonElement line) => [Read(line)];

    /// <summary>The format a run file names.</summary>
    /// <param name="format">Which.</param>
    /// <param name="columns">The files' names for its fields; null: the fields' own.</param>
    /// <param name="spec">The run file.</param>
    /// <param name="tokenizer">The model's tokenizer; null is enough for format tokens.</param>
    public static SampleFormat Create(
        DataFormat format,
        IReadOnlyDictionary<string, string>? columns,
        RunSpec spec,
        ITextTokenizer? tokenizer
    )
    {
        var own = columns?.Where(column => FormatFields.Of(format).Contains(column.Key)).ToDictionary();
        var read = Create(format, spec, tokenizer);
        return own is { Count: > 0 } ? new NamedColumns(read, own) : read;
    }

    private static SampleFormat Create(DataFormat format, RunSpec spec, ITextTokenizer? tokenizer)
    {
        if (format == DataFormat.Tokens) return new TokensFormat();
        if (tokenizer is null)
            throw new PeftException(
                $"{spec.Model.Path}: no tokenizer there, and data format {format.ToString().ToLowerInvariant()} needs one; copy the "
                    + "model's tokenizer files into the folder or use format tokens"
            );
        var mask = spec.Data.MaskPrompt;
        ChatSamples Chats() => new(
            tokenizer,
            ChatTemplate.Select(spec.Data.ChatTemplate, spec.Model.Path, ChatSettings.Of(spec.Data)),
            spec.Data);
        return format switch
        {
            DataFormat.Text => new TextFormat(tokenizer),
            DataFormat.Completion => new CompletionFormat(tokenizer, mask),
            DataFormat.Alpaca => new AlpacaFormat(tokenizer, mask),
            DataFormat.Gsm8k => new Gsm8kFormat(Chats(), mask),
            _ => new MessagesFormat(Chats(), mask),
        };
    }

    /// <summary>A text field.</summary>
    protected internal static string Text(JsonElement line, string key, string? absent = null) =>
        HasText(line, key, absent is not null, out var value) ? value.GetString()! : absent!;

    /// <summary>Refuses a text field that is missing or of another type.</summary>
    protected static void RequireText(JsonElement line, string key, bool mayBeAbsent = false) => HasText(line, key, mayBeAbsent, out _);

    private static bool HasText(JsonElement line, string key, bool mayBeAbsent, out JsonElement value)
    {
        var there = line.TryGetProperty(key, out value);
        if (there && value.ValueKind == JsonValueKind.String) return true;
        if (there && value.ValueKind != JsonValueKind.Null) throw new FormatException($"the field \"{key}\" is not a text");
        if (mayBeAbsent) return false;
        throw new FormatException($"the field \"{key}\" is {(there ? "null; it needs a text" : "missing")}");
    }

    /// <summary>Labels that learn everything, or everything from <paramref name="first"/> on.</summary>
    protected static int[] LearnFrom(int[] ids, int first)
    {
        var labels = (int[])ids.Clone();
        labels.AsSpan(0, first).Fill(Microbatch.Masked);
        return labels;
    }

    /// <summary>A text with BOS as the tokenizer's files say (where it <paramref name="begins"/> a sample), and EOS.</summary>
    protected static int[] EncodeToEnd(ITextTokenizer tokenizer, string text, bool begins = true)
    {
        var ids = tokenizer.Encode(text, addSpecialTokens: begins);
        if (tokenizer.EosId is not { } eos)
            throw new FormatException(
                "the tokenizer names no end-of-text token (eos_token in tokenizer_config.json), which this format ends with"
            );
        return ids.Length > 0 && ids[^1] == eos ? ids : [.. ids, eos];
    }

    /// <summary>Prompt and completion as one text; a token that reaches over the border is learned.</summary>
    protected static (int[] Ids, int[] Labels) Complete(
        ITextTokenizer tokenizer,
        string prompt,
        string completion,
        bool maskPrompt,
        bool begins = true
    )
    {
        var ids = EncodeToEnd(tokenizer, prompt + completion, begins);
        if (!maskPrompt) return (ids, (int[])ids.Clone());
        var prefix = tokenizer.Encode(prompt, addSpecialTokens: begins);
        return (ids, LearnFrom(ids, ids.AsSpan().CommonPrefixLength(prefix)));
    }
}
