using Peft.Orleans.Core;

namespace Peft.Orleans.Data.Tokenizers;

/// <summary>Loads the tokenizer of a Hugging Face folder from whichever of the usual files it has.</summary>
public static class TokenizerLoader
{
    private const string TokenizerJsonFile = "tokenizer.json";
    private const string TokenizerModelFile = "tokenizer.model";

    /// <summary>Whether a folder holds tokenizer files.</summary>
    public static bool Exists(string folder) =>
        File.Exists(Path.Combine(folder, TokenizerJsonFile)) || File.Exists(Path.Combine(folder, TokenizerModelFile)) || HasGpt2Files(folder);

    /// <summary>
    /// Loads <c>tokenizer.json</c>, or <c>tokenizer.model</c> (SentencePiece BPE or tiktoken form), or <c>vocab.json</c> with
    /// <c>merges.txt</c>; <c>tokenizer_config.json</c> beside them says which tokens begin and end a text.
    /// </summary>
    /// <exception cref="PeftException">There are no tokenizer files, or they are malformed.</exception>
    public static ITextTokenizer Load(string folder)
    {
        var config = TokenizerConfig.Read(folder);
        var json = Path.Combine(folder, TokenizerJsonFile);
        if (File.Exists(json)) return HuggingFaceTokenizer.Load(json, TokenizerJson.Parse(json, ReadAll(json), config), config);
        var model = Path.Combine(folder, TokenizerModelFile);
        if (File.Exists(model))
        {
            var bytes = ReadAll(model);
            return TiktokenFile.Recognises(bytes)
                ? TiktokenFile.Load(model, bytes)
                : SentencePieceFile.Load(model, bytes, config);
        }

        if (HasGpt2Files(folder))
        {
            var vocab = Path.Combine(folder, "vocab.json");
            var merges = Path.Combine(folder, "merges.txt");
            return HuggingFaceTokenizer.Load(vocab, TokenizerJson.Parse(vocab, Gpt2Files.ToTokenizerJson(vocab, merges, config), config), config);
        }

        throw new PeftException(
            $"{folder}: no tokenizer ({TokenizerJsonFile}, {TokenizerModelFile}, or vocab.json with merges.txt); copy the model's tokenizer files there, or use format tokens");
    }

    private static bool HasGpt2Files(string folder) =>
        File.Exists(Path.Combine(folder, "vocab.json")) && File.Exists(Path.Combine(folder, "merges.txt"));

    private static byte[] ReadAll(string path)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new PeftException($"{path}: cannot be read: {error.Message}", error);
        }
    }
}
