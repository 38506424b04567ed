using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Data.ChatTemplates;

/// <summary>
/// How the prompts of a model, or of an adapter for it, are written, and what ends its replies: what training rendered, generation
/// renders and stops at.
/// </summary>
/// <param name="Template">The chat template; null: none, or one that cannot be read.</param>
/// <param name="Text">Its text, where it is not the one of the model's own files; null: those have it, or there is none.</param>
/// <param name="EosToken">End-of-text token, where the files beside an adapter name one; null: the model's own.</param>
public sealed record TrainedPrompts(ChatTemplate? Template, string? Text, string? EosToken)
{
    /// <summary>The prompts of a run's training data.</summary>
    public static TrainedPrompts OfRun(RunSpec run)
    {
        if (!UsesTemplate(run.Data)) return new TrainedPrompts(null, null, null);
        var template = ChatTemplate.Select(run.Data.ChatTemplate, run.Model.Path, ChatSettings.Of(run.Data));
        return new TrainedPrompts(template, run.Data.ChatTemplate == ChatTemplateNames.Model ? null : template.Text, null);
    }

    /// <summary>
    /// The prompts of a model with an adapter: the files beside an adapter say what it was trained with, else the model's do.
    /// </summary>
    public static TrainedPrompts OfFolders(string modelFolder, string? adapterFolder)
    {
        var adapter = adapterFolder is null ? TokenizerConfig.Empty : TokenizerConfig.Read(adapterFolder);
        var folder = adapter.ChatTemplate is null ? modelFolder : adapterFolder!;
        var hasTemplate = adapter.ChatTemplate is not null || TokenizerConfig.Read(modelFolder).ChatTemplate is not null;
        return new TrainedPrompts(hasTemplate ? Readable(folder) : null, adapter.ChatTemplate, adapter.EosToken);
    }

    /// <summary>Whether a run's data is rendered by a chat template.</summary>
    public static bool UsesTemplate(DataSpec data) =>
        data.Train.Any(static source => UsesTemplate(source.Format))
        || (data.Validation?.Format is { } format && UsesTemplate(format));

    /// <summary>Whether lines of a format are rendered by a chat template.</summary>
    public static bool UsesTemplate(DataFormat format) => format is DataFormat.Messages or DataFormat.Gsm8k;

    /// <summary>
    /// Ids that end a text: those of the model's configuration, the tokenizer's end-of-text token, and the tokens that close a turn of the
    /// template. A base model that is tuned on ChatML still says <c>&lt;/s&gt;</c> in its config.json, and would never stop.
    /// </summary>
    public IReadOnlyList<int> EndTokens(ModelFolder model)
    {
        if (TokenizerOf(model) is not { } tokenizer) return model.EndTokens;
        var closings = Template is null ? [] : EndOfTurn.Of(Template, tokenizer);
        int?[] more = [tokenizer.EosId, IdOf(EosToken), .. closings.Select(IdOf)];
        return [.. model.EndTokens.Concat(more.OfType<int>()).Distinct()];

        int? IdOf(string? token) => token is null ? null : tokenizer.SpecialId(token);
    }

    // A template that cannot be read is refused by what renders it; until then it is a text among the files.
    private static ChatTemplate? Readable(string folder)
    {
        try
        {
            return ChatTemplate.Select(ChatTemplateNames.Model, folder);
        }
        catch (PeftException)
        {
            return null;
        }
    }

    /// <summary>Null where there is none, or none that can be read: what needs it refuses it, and ids are generated without.</summary>
    private static ITextTokenizer? TokenizerOf(ModelFolder model)
    {
        try
        {
            return model.HasTokenizer ? model.Tokenizer : null;
        }
        catch (PeftException)
        {
            return null;
        }
    }
}
