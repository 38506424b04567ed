using Peft.Orleans.Core;
using Peft.Orleans.Data.Models.Llama;

namespace Peft.Orleans.Data.Models;

/// <summary>The model families that checkpoints are read of.</summary>
public static class ModelFamilies
{
    /// <summary>The registration table: a new family adds its folder and one line here.</summary>
    private static volatile ModelArchitecture[] registered =
    [
        new LlamaArchitecture(),
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
        var family = Array.Find(registered, known => type is null ? known.Architecture == architecture : known.Family == type);
        if (family is null || (architecture is not null && architecture != family.Architecture))
        {
            var known = string.Join(", ", registered.Select(static known => $"{known.Architecture} (model_type {known.Family})"));
            throw new PeftException(
                $"{config.File}: architecture {architecture ?? type} (model_type {type}) is not supported; supported: {known}"
            );
        }

        return family;
    }
}
