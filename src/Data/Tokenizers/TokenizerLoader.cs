using Peft.Orleans.Core;
using Peft.Orleans.Data.Files;

namespace Peft.Orleans.Data.Tokenizers;

/// <summary>Loads the tokenizer of a Hugging Face folder from whichever of the usual files it has.</summary>
public static class TokenizerLoader
{
    private const string TokenizerJsonFile = "tokenizer.json";
    private const string TokenizerModelFile = "tokenizer.model";

    /// <summary>Whether a folder holds tokenizer files.</summary>
    public static bool Exists(string folder) =>
        File.Exists(Path.Combine(folder, TokenizerJsonFile))
        || File.Exists(Path.Combine(folder, TokenizerModelFile))
        || HasGpt2Files(folder);

    /// <summary>
    /// Loads <c>tokenizer.json</c>, or <c>tokenizer.model</c> (SentencePiece BPE or tiktoken form), or <c>vocab.json</c> with
    /// <c>merges.txt</c>; <c>tokenizer_config.json</c> beside them says which tokens begin and end a text.
    /// </summary>
    /// <exception cref="PeftException">There are no tokenizer files, or they are malformed.</exception>
    public static ITextTokenizer Load(string folder)
    {
        var config = TokenizerConfig.Read(folder);
        var json = Path.Combine(folder, TokenizerJsonFile);
        if (File.Exists(json))
            return HuggingFaceTokenizer.Load(json, TokenizerJson.Parse(json, JsonText.ReadAll(json, ""), config), config);
        var model = Path.Combine(folder, TokenizerModelFile);
        if (File.Exists(model))
        {
            var bytes = JsonText.ReadAll(model, "");
            if (bytes.Length == 0) throw new PeftException($"{model}: the file is empty; fetch it again");
            return TiktokenFile.Recognises(bytes)
                ? TiktokenFile.Load(model, bytes)
                : SentencePieceFile.Load(model, bytes, config);
        }

        if (HasGpt2Files(folder))
        {
            var vocab = Path.Combine(folder, "vocab.json");
            var merges = Path.Combine(folder, "merges.txt");
            return HuggingFaceTokenizer.Load(
                vocab,
                TokenizerJson.Parse(vocab, Gpt2Files.ToTokenizerJson(vocab, merges, config), config),
                config
            );
        }

        throw new PeftException(
            $"{folder}: no tokenizer ({TokenizerJsonFile}, {TokenizerModelFile}, or vocab.json with merges.txt); copy the model's "
                + "tokenizer files there, or use format tokens"
        );
    }

    private static bool HasGpt2Files(string folder) =>
        File.Exists(Path.Combine(folder, "vocab.json")) && File.Exists(Path.Combine(folder, "merges.txt"));
}
