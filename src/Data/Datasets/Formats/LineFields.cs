using System.Text.Json;
using Peft.Orleans.Data.ChatTemplates;

namespace Peft.Orleans.Data.Datasets.Formats;

/// <summary>
/// Fields of a line beside those its format reads. What is known to change what is learned is honoured by the format or refused here by
/// name; any other column (an id, a source) means nothing and is left alone.
/// </summary>
internal static class LineFields
{
    /// <summary>Why a field is refused that the template would leave out.</summary>
    public const string NotRendered =
        "is not rendered by this format or its chat template, so it would be dropped; remove it, or write it into the text";
    private const string Preference =
        "is a side of a preference; this is supervised training: write the reply to learn in the format's own fields, and remove it";
    private const string NotText = "is no text, and only text is learned; take such lines out";
    private const string Positions = "is not supported; the positions of a sample count from 0, and packing is data.packing";

    /// <summary>Known beside any format.</summary>
    private static readonly (string Key, string Why)[] OfAnyLine =
    [
        ("functions", NotRendered),
        ("function_call", NotRendered),
        ("tool_calls", NotRendered),
        ("documents", NotRendered),
        ("chat_template", "is the line's own template; all lines have that of data.chat_template"),
        ("image", NotText), ("images", NotText), ("video", NotText), ("videos", NotText), ("audio", NotText), ("audios", NotText),
        ("kto_tag", "marks preferences; this is supervised training, leave the lines with false out and the field too"),
        ("chosen", Preference), ("rejected", Preference), ("rejected_response", Preference),
        ("train_on_inputs", "is the run file's matter: data.mask_prompt"),
    ];

    /// <summary>Known of lines of text; of tokens they are checked against the ids.</summary>
    private static readonly (string Key, string Why)[] OfText =
    [
        ("loss_mask", "gives a mask of tokens to a line of text; use format tokens, with labels −100 where nothing is learned"),
        ("attention_mask", "gives a mask of tokens to a line of text; use format tokens"),
        ("position_ids", "gives positions of tokens to a line of text; use format tokens"),
        ("input_ids", "gives token ids beside the text; use format tokens, or remove it"),
    ];

    /// <summary>Read by chats alone.</summary>
    private static readonly (string Key, string Why)[] OfChats =
    [
        ("tools", NotRendered),
        (TemplateVariables.Field, "has variables of a chat template, and this format has none; remove it"),
    ];

    private static readonly string[] Reasoning = ["reasoning_content", "reasoning", "thinking"];

    private static readonly (string Key, string Why)[] OfPlain =
    [
        ("messages", "is a conversation; use format messages, or remove it"),
        ("conversations", "is a conversation; use format messages, or remove it"),
        ("history", "has earlier turns, which this format does not read; use format messages or alpaca"),
        ("suffix", NotRendered), ("system_prompt", NotRendered), ("system_message", NotRendered), ("context", NotRendered),
    ];

    private static readonly (string Key, string Why)[] OfTokens =
    [
        ("seq_lens", Positions),
        ("seq_lengths", Positions),
        ("cu_seqlens", Positions),
        ("sequence_lengths", Positions),
        ("segment_ids", Positions),
        ("sequence_ids", Positions),
        ("weights", "weighs tokens; every learned token weighs the same: write labels −100 where nothing is learned"),
        ("loss_weights", "weighs tokens; every learned token weighs the same: write labels −100 where nothing is learned"),
    ];

    private static readonly (string Key, string Why)[] OfTurn =
    [
        ("tool_calls", NotRendered),
        ("function_call", NotRendered),
        ("reasoning_content", NotRendered),
        ("reasoning", NotRendered),
        ("thinking", NotRendered),
        ("refusal", NotRendered),
        ("tools", NotRendered),
        ("image", NotText),
        ("images", NotText),
        ("video", NotText),
        ("videos", NotText),
        ("audio", NotText),
        ("audios", NotText),
        ("mask", "says nothing known of what is learned; a turn is learned whole or not (weight 1 or 0)"),
        ("train_detail", "learns parts of a turn; a turn is learned whole or not (weight 1 or 0)"),
        ("loss_mask", "learns parts of a turn; a turn is learned whole or not (weight 1 or 0)"),
    ];

    /// <summary>
    /// Whether a turn is learned, in the words of OpenAI (weight), axolotl (train, training), ms-swift and XTuner (loss), and others.
    /// </summary>
    private static readonly string[] Learning =
        ["weight", "train", "training", "learn", "loss", "loss_scale", "trainable", "train_on_turn"];

    private static readonly string[] Weights = ["weight", "sample_weight", "loss_weight"];

    private static readonly string[] Systems = ["system_prompt", "system_message"];

    // Most lines have none of all these, which is told at a glance: a data set has millions of them.
    private static readonly KnownNames KnownOfChat = new([.. Names(OfAnyLine, OfText), .. Systems, "label", .. Weights]);
    private static readonly KnownNames KnownOfPlain = new([.. Names(OfAnyLine, OfChats, OfText, OfPlain), "system", "label", .. Weights]);
    private static readonly KnownNames KnownOfTurn = new([.. Names(OfTurn), .. Learning]);

    /// <summary>Checks a line of a chat; <c>system</c> is read by the format.</summary>
    public static void CheckChat(JsonElement line)
    {
        if (!KnownOfChat.MayBeIn(line)) return;
        Refuse(line, OfAnyLine, "");
        Refuse(line, OfText, "");
        foreach (var key in Systems)
        {
            if (Says(line, key, out _))
                throw new FormatException($"the field \"{key}\" is not read; name it \"system\", or write it as the first message");
        }

        RequireWeightOne(line);
    }

    /// <summary>Checks a line of Alpaca; <c>system</c> and <c>history</c> are read by the format.</summary>
    public static void CheckAlpaca(JsonElement line)
    {
        CheckChat(line);
        Refuse(line, OfChats, "");
        if (Says(line, "context", out _) && !Says(line, "input", out _))
            throw new FormatException("the field \"context\" is not read; Alpaca's name for it is \"input\"");
    }

    /// <summary>Checks a line of plain text.</summary>
    /// <param name="line">The line.</param>
    /// <param name="own">Fields that the format reads itself.</param>
    public static void CheckPlain(JsonElement line, params string[] own)
    {
        if (!KnownOfPlain.MayBeIn(line)) return;
        Refuse(line, OfAnyLine, "");
        Refuse(line, OfChats, "");
        Refuse(line, OfText, "");
        Refuse(line, OfPlain, "", own);
        if (Says(line, "system", out _)) throw new FormatException($"the field \"system\" {NotRendered}");
        RequireWeightOne(line);
    }

    /// <summary>Checks a line of tokens: what is said beside ids and labels must say the same as they do.</summary>
    public static void CheckTokens(JsonElement line, int[] labels)
    {
        Refuse(line, OfAnyLine, "");
        Refuse(line, OfChats, "");
        Refuse(line, OfTokens, "");
        Each(
            line,
            "attention_mask",
            labels.Length,
            static (_, value) => value == 1,
            "marks padding; leave padded tokens out, this format takes samples as long as they are"
        );
        Each(
            line,
            "token_type_ids",
            labels.Length,
            static (_, value) => value == 0,
            "has a second segment, which these models do not know; remove it"
        );
        Each(line, "position_ids", labels.Length, static (i, value) => value == i, Positions);
        Each(
            line,
            "loss_mask",
            labels.Length,
            (i, value) => value == 1 || (value == 0 && labels[i] < 0),
            "masks a token that its label learns; write the label −100"
        );
        RequireWeightOne(line);
    }

    /// <summary>Checks a message; whether it is learned, null where it does not say.</summary>
    /// <param name="turn">The message.</param>
    /// <param name="number">Its number, from 1, for errors.</param>
    /// <param name="renders">Whether the template reads a field; one of a reasoning's names stands for all.</param>
    public static bool? CheckTurn(JsonElement turn, int number, Func<string, bool> renders)
    {
        if (!KnownOfTurn.MayBeIn(turn)) return null;
        foreach (var (key, why) in OfTurn)
        {
            if (!Says(turn, key, out _)) continue;
            if (why == NotRendered && (Reasoning.Contains(key) ? Reasoning.Any(renders) : renders(key))) continue;
            throw new FormatException($"turn {number}: the field \"{key}\" {why}");
        }

        bool? learned = null;
        foreach (var key in Learning)
        {
            if (!turn.TryGetProperty(key, out var value) || value.ValueKind == JsonValueKind.Null) continue;
            var says = value.ValueKind switch
            {
                JsonValueKind.True => true,
                JsonValueKind.False => false,
                JsonValueKind.Number when value.TryGetDouble(out var weight) && weight is 0 or 1 => weight == 1,
                _ => throw new FormatException($"turn {number}: \"{key}\" is {Short(value)}; a turn is learned whole (1) or not (0)"),
            };
            if (learned is { } other && other != says)
                throw new FormatException(
                    $"turn {number}: \"{key}\" says otherwise than another field whether the turn is learned; remove one"
                );
            learned = says;
        }

        return learned;
    }

    /// <summary>Whether a field is there and says something.</summary>
    public static bool Says(JsonElement line, string key, out JsonElement value) =>
        line.TryGetProperty(key, out value)
        && value.ValueKind switch
        {
            JsonValueKind.Null => false,
            JsonValueKind.String => value.GetString()!.Trim() is not ("" or "[]" or "{}" or "null"),
            JsonValueKind.Array => value.GetArrayLength() > 0,
            JsonValueKind.Object => value.EnumerateObject().Any(),
            _ => true,
        };

    private static void Refuse(JsonElement line, (string Key, string Why)[] fields, string place, params string[] own)
    {
        foreach (var (key, why) in fields)
        {
            if (!own.Contains(key) && Says(line, key, out _)) throw new FormatException($"{place}the field \"{key}\" {why}");
        }
    }

    private static IEnumerable<string> Names(params (string Key, string Why)[][] fields) =>
        fields.SelectMany(static some => some).Select(static field => field.Key);

    private static void RequireWeightOne(JsonElement line)
    {
        // TRL's mark of an unwanted reply; as a number or a text it is a class.
        if (line.TryGetProperty("label", out var wanted) && wanted.ValueKind == JsonValueKind.False)
            throw new FormatException("the field \"label\" is false: the reply is not wanted; leave the line out");
        foreach (var key in Weights)
        {
            if (
                !Says(line, key, out var value)
                || (value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var weight) && weight == 1)
            )
                continue;
            throw new FormatException(
                $"the field \"{key}\" is {Short(value)}; every sample weighs 1: leave the line out, write it more than once, or remove "
                    + "the field"
            );
        }
    }

    private static void Each(JsonElement line, string key, int length, Func<int, int, bool> fits, string why)
    {
        if (!line.TryGetProperty(key, out var value) || value.ValueKind == JsonValueKind.Null)
            return;
        if (value.ValueKind != JsonValueKind.Array)
            throw new FormatException($"the field \"{key}\" is not a list of numbers");
        if (value.GetArrayLength() != length)
            throw new FormatException($"\"input_ids\" has {length} entries, \"{key}\" has {value.GetArrayLength()}");
        var i = 0;
        foreach (var item in value.EnumerateArray())
        {
            var number = item.ValueKind switch
            {
                JsonValueKind.True => 1,
                JsonValueKind.False => 0,
                JsonValueKind.Number when item.TryGetInt32(out var found) => found,
                _ => throw new FormatException($"\"{key}\"[{i}] is {Short(item)}, which is no whole number"),
            };
            if (!fits(i, number)) throw new FormatException($"\"{key}\"[{i}] is {number}: it {why}");
            i++;
        }
    }

    private static string Short(JsonElement value) => value.GetRawText() is { Length: <= 40 } text ? text : value.GetRawText()[..40] + "…";
}
