using Peft.Orleans.Core;
using Tokenizers.DotNet;

namespace Peft.Orleans.Data.Tokenizers;

/// <summary>
/// A <c>tokenizer.json</c> on Hugging Face's own (Rust) library; special tokens are added and skipped here, because the binding leaves no
/// choice.
/// </summary>
internal sealed class HuggingFaceTokenizer : ITextTokenizer
{
    private readonly Tokenizer native;
    private readonly TokenizerJson json;

    private readonly string path;
    private readonly long nativeBytes;

    // Letters of several scripts and a character that no vocabulary has: what the library cannot encode shows when the file is loaded.
    private const string Probe = "a \u0001é中\U0001FAE8";

    private HuggingFaceTokenizer(string path, Tokenizer native, TokenizerJson json)
    {
        this.path = path;
        this.native = native;
        this.json = json;
        SpecialTokens = [.. json.AddedTokens.Where(token => json.SpecialIds.Contains(token.Value)).Select(static token => token.Key)];
        // The library's memory is freed when this object is collected, which nothing would hurry: two thousand small ones held 2 GB.
        // Measured: 1 MiB for the smallest vocabulary, about twelve times the file for large ones.
        nativeBytes = (1 << 20) + (12L * json.Prepared.Length);
        GC.AddMemoryPressure(nativeBytes);
    }

    /// <summary>The library's memory goes with its own object.</summary>
    ~HuggingFaceTokenizer() => GC.RemoveMemoryPressure(nativeBytes);

    /// <inheritdoc/>
    public int VocabularySize => json.VocabularySize;

    /// <inheritdoc/>
    public int? BosId => json.BosId;

    /// <inheritdoc/>
    public int? EosId => json.EosId;

    public static HuggingFaceTokenizer Load(string path, TokenizerJson json, TokenizerConfig config)
    {
        // A name without an id means that files of two tokenizers were mixed.
        if (config.EosToken is { } eos && json.EosId is null)
            throw new PeftException(
                $"{path}: the eos_token '{eos}' of tokenizer_config.json is not in the vocabulary; the files do not belong together"
            );
        // The library reads files only.
        var temporary = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        Tokenizer? native = null;
        try
        {
            File.WriteAllBytes(temporary, json.Prepared);
            native = new Tokenizer(temporary);
            var tokenizer = new HuggingFaceTokenizer(path, native, json);
            tokenizer.EncodeText(Probe);
            tokenizer.RequireDeclaredIds();
            native = null;
            return tokenizer;
        }
        catch (TokenizerException error)
        {
            throw new PeftException($"{path}: not a valid tokenizer: {error.Message}", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new PeftException($"{temporary}: cannot be written: {error.Message}; TMPDIR names another folder", error);
        }
        finally
        {
            native?.Dispose();
            File.Delete(temporary);
        }
    }

    /// <inheritdoc/>
    public int[] Encode(string text, bool addSpecialTokens)
    {
        var ids = text.Length == 0 ? [] : EncodeText(text);
        var prefix = addSpecialTokens ? json.Prefix : [];
        var suffix = addSpecialTokens ? json.Suffix : [];
        var result = new int[prefix.Length + ids.Length + suffix.Length];
        prefix.CopyTo(result, 0);
        for (var i = 0; i < ids.Length; i++) result[prefix.Length + i] = (int)ids[i];
        suffix.CopyTo(result, prefix.Length + ids.Length);
        return result;
    }

    private uint[] EncodeText(string text)
    {
        try
        {
            return native.Encode(text);
        }
        catch (TokenizerException error)
        {
            throw new PeftException($"{path}: the tokenizer cannot encode: {error.Message}", error);
        }
    }

    // The library counts the ids of added tokens on from the vocabulary, whatever the file says.
    private void RequireDeclaredIds()
    {
        foreach (var (token, id) in json.AddedTokens)
        {
            if (json.SpecialIds.Contains(id) && token.Length > 0 && EncodeText(token) is [var found] && found != id)
                throw new PeftException(
                    $"{path}: added_tokens gives '{token}' the id {id}, but after the vocabulary it has {found}; the file was put "
                        + "together of two"
                );
        }
    }

    /// <inheritdoc/>
    public int[] EncodeWithSpecials(string text) => Encode(text, addSpecialTokens: false);

    /// <inheritdoc/>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens)
    {
        var kept = new List<uint>(ids.Length);
        foreach (var id in ids)
        {
            // Ids beyond the vocabulary occur: models are padded to round sizes.
            if (id >= 0 && id < VocabularySize && !(skipSpecialTokens && json.SpecialIds.Contains(id))) kept.Add((uint)id);
        }

        try
        {
            return kept.Count == 0 ? "" : native.Decode([.. kept]);
        }
        catch (TokenizerException error)
        {
            throw new PeftException($"{path}: the tokenizer cannot decode: {error.Message}", error);
        }
    }

    /// <inheritdoc/>
    public int? SpecialId(string token) => json.AddedTokens.TryGetValue(token, out var id) ? id : null;

    /// <inheritdoc/>
    public IReadOnlyCollection<string> SpecialTokens { get; }
}
