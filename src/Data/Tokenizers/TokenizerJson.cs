using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Unicode;
using Peft.Orleans.Core;
using Peft.Orleans.Data.Files;
using static Peft.Orleans.Data.Tokenizers.JsonMembers;

namespace Peft.Orleans.Data.Tokenizers;

/// <summary>
/// A <c>tokenizer.json</c> prepared for the native library, which always adds special tokens when it encodes and always skips them when
/// it decodes: the copy has no post-processor and no token marked special, so that both are decided here. Nor has it <c>truncation</c> and
/// <c>padding</c>, which <c>save_pretrained</c> leaves in the file after a call that used them: they are the other program's state, and
/// transformers sets both anew at each call. <c>model.dropout</c> is no such state: the library merges at random wherever it is set, in
/// transformers too, so a file with it is refused; a run is a pure function of its files.
/// </summary>
internal sealed class TokenizerJson
{
    private static readonly byte[] Null = "null"u8.ToArray();

    private TokenizerJson()
    {
    }

    /// <summary>The prepared copy.</summary>
    public required byte[] Prepared { get; init; }

    /// <summary>Largest id plus one.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Added tokens by text.</summary>
    public required IReadOnlyDictionary<string, int> AddedTokens { get; init; }

    /// <summary>Ids of tokens marked special.</summary>
    public required IReadOnlySet<int> SpecialIds { get; init; }

    /// <summary>Ids of the BOS and EOS tokens named by the configuration.</summary>
    public required int? BosId { get; init; }

    /// <inheritdoc cref="BosId"/>
    public required int? EosId { get; init; }

    /// <summary>Ids the post-processor puts before a text.</summary>
    public required int[] Prefix { get; init; }

    /// <summary>Ids the post-processor puts after a text.</summary>
    public required int[] Suffix { get; init; }

    public static TokenizerJson Parse(string path, byte[] json, TokenizerConfig config)
    {
        if (FileContent.NoText(path, json.AsSpan(0, Math.Min(json.Length, FileContent.Telling))) is { } other)
            throw new PeftException($"{path}: {other}");
        try
        {
            return Parse(json, config);
        }
        catch (JsonException error)
        {
            throw new PeftException($"{path}: not a tokenizer this version understands: {JsonText.Reason(error)}", error);
        }
        catch (Exception error) when (error is InvalidOperationException or FormatException)
        {
            throw new PeftException($"{path}: not a tokenizer this version understands: {error.Message}", error);
        }
    }

    private static TokenizerJson Parse(byte[] json, TokenizerConfig config)
    {
        json = FileContent.WithoutMark(json).ToArray();
        if (!Utf8.IsValid(json)) throw new FormatException("not valid UTF-8");
        NativeLimits.RequireStrictJson(json);
        var reader = new Utf8JsonReader(json);
        var names = new[] { config.BosToken, config.EosToken };
        var ids = new int?[names.Length];
        var largest = -1;
        (int Start, int End) postProcessor = default, addedTokens = default, vocabulary = default;
        var state = new List<(int Start, int End)>();
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject) throw new FormatException("it is not a JSON object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("post_processor"u8)) postProcessor = Span(ref reader);
            else if (reader.ValueTextEquals("added_tokens"u8)) addedTokens = Span(ref reader);
            else if (reader.ValueTextEquals("truncation"u8) || reader.ValueTextEquals("padding"u8)) state.Add(Span(ref reader));
            else if (reader.ValueTextEquals("normalizer"u8) || reader.ValueTextEquals("pre_tokenizer"u8)
                || reader.ValueTextEquals("decoder"u8))
            {
                var name = reader.GetString()!;
                var (start, end) = Span(ref reader);
                using var part = JsonDocument.Parse(json.AsMemory(start, end - start));
                NativeParts.Require(name, part.RootElement);
                RequireSamePrefix(name, part.RootElement, config);
            }
            else if (reader.ValueTextEquals("model"u8))
            {
                var model = reader;
                largest = ReadModel(ref reader, names, ids);
                vocabulary = Span(ref model);
            }
            else Span(ref reader);
        }

        if (largest < 0) throw new FormatException("there is no model.vocab");
        var added = new Dictionary<string, int>(StringComparer.Ordinal);
        var special = new HashSet<int>();
        var unmarked = "[]"u8.ToArray();
        if (addedTokens.End > 0)
        {
            var array = JsonNode.Parse(json.AsSpan(addedTokens.Start, addedTokens.End - addedTokens.Start)) switch
            {
                null => [],
                JsonArray list => list,
                _ => throw new FormatException("added_tokens is not a list"),
            };
            foreach (var node in array)
            {
                var token = node as JsonObject ?? throw new FormatException("added_tokens has an entry that is not an object");
                var id = Id(Member(token, "id"), "added_tokens has an id");
                if (Member(token, "content") is not JsonValue content || !content.TryGetValue<string>(out var text))
                    throw new FormatException($"added_tokens: the token {id} has no text \"content\"");
                added[text] = id;
                largest = Math.Max(largest, id);
                if (Member(token, "special") is JsonValue mark && mark.TryGetValue<bool>(out var isSpecial) && isSpecial) special.Add(id);
                token["special"] = false;
            }

            unmarked = Encoding.UTF8.GetBytes(array.ToJsonString());
        }

        RequireKnown([.. config.AddedTokens.Keys.Where(token => !added.ContainsKey(token))], json.AsSpan(vocabulary.Start..vocabulary.End));
        for (var i = 0; i < names.Length; i++)
        {
            if (names[i] is { } name && added.TryGetValue(name, out var id)) ids[i] = id;
        }

        var (prefix, suffix) = postProcessor.End > 0
            ? TokenTemplate.Read(JsonNode.Parse(json.AsSpan(postProcessor.Start, postProcessor.End - postProcessor.Start)))
            : ([], []);
        return new TokenizerJson
        {
            Prepared = Splice(json, [(postProcessor, Null), (addedTokens, unmarked), .. state.Select(static span => (span, Null))]),
            VocabularySize = largest + 1,
            AddedTokens = added,
            SpecialIds = special,
            BosId = ids[0],
            EosId = ids[1],
            Prefix = WithFlag(prefix, config.AddBosToken, ids[0]),
            Suffix = WithFlag(suffix, config.AddEosToken, ids[1]),
        };
    }

    // transformers adds them when it loads the file, and finds them in texts; their embeddings are trained for that.
    private static void RequireKnown(string[] tokens, ReadOnlySpan<byte> model)
    {
        if (tokens.Length == 0) return;
        var ids = new int?[tokens.Length];
        var reader = new Utf8JsonReader(model);
        ReadModel(ref reader, tokens, ids);
        if (Array.IndexOf(ids, null) is var lacking and >= 0)
            throw new FormatException(
                $"added_tokens_decoder of tokenizer_config.json has the token '{tokens[lacking]}', which is not in this file; save the "
                + "tokenizer anew with transformers (save_pretrained), which writes it into both");
    }

    // transformers takes the configuration's word, and puts it into the pre-tokenizer.
    private static void RequireSamePrefix(string name, JsonElement part, TokenizerConfig config)
    {
        const string Key = "add_prefix_space";
        if (name != "pre_tokenizer" || config.AddPrefixSpace is not { } said || part.ValueKind != JsonValueKind.Object
            || !part.TryGetProperty(Key, out var found) || found.ValueKind is not (JsonValueKind.True or JsonValueKind.False)
            || found.GetBoolean() == said)
            return;
        throw new FormatException(
            $"pre_tokenizer.{Key} is {(said ? "false" : "true")}, but {Key} of tokenizer_config.json is {(said ? "true" : "false")}; write "
            + "the same into both");
    }

    // tokenizer_config.json's add_bos_token and add_eos_token overrule the post-processor.
    private static int[] WithFlag(int[] template, bool? add, int? id) => add switch
    {
        true when id is { } token && !template.Contains(token) => [.. template, token],
        false => [.. template.Where(token => token != id)],
        _ => template,
    };

    private static (int Start, int End) Span(ref Utf8JsonReader reader)
    {
        reader.Read();
        var start = (int)reader.TokenStartIndex;
        reader.Skip();
        return (start, (int)reader.BytesConsumed);
    }

    private static int ReadModel(ref Utf8JsonReader reader, string?[] names, int?[] ids)
    {
        var largest = -1;
        var (marksSubwords, merges) = (false, false);
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject) throw new FormatException("model is not an object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            merges |= reader.ValueTextEquals("merges"u8);
            if (reader.ValueTextEquals("continuing_subword_prefix"u8))
            {
                var (start, end) = Span(ref reader);
                // Longer than a pair of quotation marks: a text that is not empty; null is a token of another type.
                marksSubwords = reader.TokenType == JsonTokenType.String && end - start > 2;
                continue;
            }

            if (reader.ValueTextEquals("dropout"u8))
            {
                NativeLimits.RequireNoDropout(ref reader);
                continue;
            }

            if (!reader.ValueTextEquals("vocab"u8))
            {
                Span(ref reader);
                continue;
            }

            reader.Read();
            if (reader.TokenType != JsonTokenType.StartObject)
                throw new FormatException("model.vocab is not an object of token: id (supported: BPE and WordLevel models)");
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var wanted = -1;
                for (var i = 0; i < names.Length && wanted < 0; i++)
                {
                    if (names[i] is { } name && reader.ValueTextEquals(name)) wanted = i;
                }

                reader.Read();
                if (
                    reader.TokenType != JsonTokenType.Number
                    || !reader.TryGetInt32(out var id)
                    || id is < 0 or > TokenizerConfig.LargestId
                )
                    throw new FormatException(
                        $"model.vocab contains the id {Encoding.UTF8.GetString(reader.ValueSpan)}, which is no token id"
                    );
                largest = Math.Max(largest, id);
                if (wanted < 0) continue;
                for (var i = 0; i < names.Length; i++)
                {
                    if (names[i] == names[wanted]) ids[i] = id;
                }
            }
        }

        NativeLimits.RequireUnmarkedMerges(marksSubwords, merges);
        return largest;
    }

    private static byte[] Splice(byte[] json, IEnumerable<((int Start, int End) Span, byte[] Text)> changes)
    {
        using var result = new MemoryStream(json.Length + 1024);
        var at = 0;
        foreach (
            var ((start, end), text) in changes.Where(static change => change.Span.End > 0).OrderBy(static change => change.Span.Start)
        )
        {
            result.Write(json, at, start - at);
            result.Write(text);
            at = end;
        }

        result.Write(json, at, json.Length - at);
        return result.ToArray();
    }
}
