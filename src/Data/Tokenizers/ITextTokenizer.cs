namespace Peft.Orleans.Data.Tokenizers;

/// <summary>
/// Text to token ids and back, as the reference library of the tokenizer's own format does. Safe to use from several threads.
/// </summary>
public interface ITextTokenizer
{
    /// <summary>Largest token id plus one.</summary>
    int VocabularySize { get; }

    /// <summary>Beginning-of-text token, if the tokenizer's files name one.</summary>
    int? BosId { get; }

    /// <summary>End-of-text token, if the tokenizer's files name one.</summary>
    int? EosId { get; }

    /// <summary>
    /// Encodes a text. <c>tokenizer.json</c> recognises the text of special tokens, as Hugging Face's library does;
    /// <c>tokenizer.model</c> does not, as SentencePiece and tiktoken do not.
    /// </summary>
    /// <param name="text">The text.</param>
    /// <param name="addSpecialTokens">Whether BOS and EOS are added where the tokenizer's files say so.</param>
    int[] Encode(string text, bool addSpecialTokens);

    /// <summary>Encodes a text in which special tokens are written out (a rendered chat); adds nothing.</summary>
    int[] EncodeWithSpecials(string text);

    /// <summary>Decodes ids; bytes that are no UTF-8 become U+FFFD.</summary>
    /// <param name="ids">Token ids.</param>
    /// <param name="skipSpecialTokens">Whether special tokens are left out.</param>
    string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens);

    /// <summary>Id of an added or special token by its text; null if there is none.</summary>
    int? SpecialId(string token);

    /// <summary>Texts of the special tokens.</summary>
    IReadOnlyCollection<string> SpecialTokens => [];
}
