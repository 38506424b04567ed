using Peft.Orleans.Core;

namespace Peft.Orleans.Data.HuggingFace;

/// <summary>What every model family's <c>config.json</c> says alike: which family it is.</summary>
public static class ModelConfig
{
    /// <summary>Key of the Llama family, <c>model_type</c> in config.json.</summary>
    public const string Llama = "llama";

    private static readonly string[] Families = [Llama];

    /// <summary>The model family (<c>model_type</c>) of a Hugging Face folder.</summary>
    /// <exception cref="PeftException">There is no config.json, or the architecture is unknown; it is named.</exception>
    public static string Family(string folder)
    {
        var config = Open(folder);
        var architecture = config.Texts("architectures").FirstOrDefault();
        var family = config.Text("model_type");
        if (family is null && architecture == "LlamaForCausalLM") family = Llama;
        if (family is null) throw new PeftException($"{config.File}: the key model_type is missing");
        if (!Families.Contains(family, StringComparer.Ordinal) || architecture is not (null or "LlamaForCausalLM"))
            throw new PeftException($"{config.File}: architecture {architecture ?? family} (model_type {family}) is not supported; supported: LlamaForCausalLM (model_type llama)");
        return family;
    }

    internal static ConfigReader Open(string folder)
    {
        if (!Directory.Exists(folder)) throw new PeftException($"{folder}: folder not found; model.path names a Hugging Face folder");
        return ConfigReader.Read(Path.Combine(folder, "config.json"), "model.path names a Hugging Face folder, which has one");
    }
}
