namespace Peft.Orleans.Core.Runs;

/// <summary>Chat templates that have a name; any other word of <c>data.chat_template</c> is the path of a Jinja file.</summary>
public static class ChatTemplateNames
{
    /// <summary>The one in the model's folder: chat_template.jinja, or tokenizer_config.json.</summary>
    public const string Model = "model";

    /// <summary>ChatML, without a default system prompt.</summary>
    public const string ChatMl = "chatml";

    /// <summary>Llama 3's plain form, without dates.</summary>
    public const string Llama3 = "llama3";

    /// <summary>Vicuna's, with its system prompt where a conversation has none.</summary>
    public const string Vicuna = "vicuna";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<string> All { get; } = [Model, ChatMl, Llama3, Vicuna];

    /// <summary>Whether a word is a name and no path.</summary>
    public static bool IsName(string word) => All.Contains(word);
}
