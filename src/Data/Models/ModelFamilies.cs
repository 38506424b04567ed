using Peft.Orleans.Core;
using Peft.Orleans.Data.Models.Bloom;
using Peft.Orleans.Data.Models.Llama;
using Peft.Orleans.Data.Models.Mistral;
using Peft.Orleans.Data.Models.Qwen2;
using Peft.Orleans.Data.Models.Qwen3;

namespace Peft.Orleans.Data.Models;

/// <summary>The model families that checkpoints are read of.</summary>
public static class ModelFamilies
{
    /// <summary>The registration table: a new family adds its folder and one line here.</summary>
    private static volatile ModelArchitecture[] registered =
    [
        new LlamaArchitecture(),
        new MistralArchitecture(),
        new Qwen2Architecture(),
        new Qwen3Architecture(),
        new BloomArchitecture(),
    ];

    /// <summary>All families, in the order of their registration.</summary>
    public static IReadOnlyList<ModelArchitecture> All => registered;

    /// <summary>Adds a family from another assembly, for the life of the process; one of the same <c>model_type</c> is replaced.</summary>
    public static void Register(ModelArchitecture architecture)
    {
        ModelArchitecture[] former, next;
        do
        {
            former = registered;
            next = [.. former.Where(known => known.Family != architecture.Family), architecture];
        }
        while (Interlocked.CompareExchange(ref registered, next, former) != former);
    }

    /// <summary>The family of a configuration, by <c>model_type</c>, or by <c>architectures</c> where that key is missing.</summary>
    /// <exception cref="PeftException">The architecture is unknown; it is named, with those that are known.</exception>
    internal static ModelArchitecture Of(ConfigReader config)
    {
        var architecture = config.Texts("architectures").FirstOrDefault();
        var type = config.Text("model_type");
        if (type is null && architecture is null) throw new PeftException($"{config.File}: the key model_type is missing");
        var family = Array.Find(registered, known => type is null ? Computes(known) : known.Family == type);
        if (family is null || (architecture is not null && !Computes(family)))
        {
            var known = string.Join(", ", registered.Select(static known => $"{known.Architecture} (model_type {known.Family})"));
            var differs = family is null ? CloseArchitectures.Find(type ?? architecture) : null;
            throw new PeftException(
                $"{config.File}: architecture {architecture ?? type} (model_type {type}) is not supported"
                    + $"{(differs is null ? "" : $": {differs}")}; supported: {known}"
            );
        }

        return family;

        // The first Llama was spelled LLaMA.
        bool Computes(ModelArchitecture known) => string.Equals(known.Architecture, architecture, StringComparison.OrdinalIgnoreCase);
    }
}
