using Peft.Orleans.Core;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Models.Bloom;
using Peft.Orleans.Kernels.Models.Llama;
using Peft.Orleans.Kernels.Models.Mistral;
using Peft.Orleans.Kernels.Models.Qwen2;
using Peft.Orleans.Kernels.Models.Qwen3;

namespace Peft.Orleans.Kernels.Models;

/// <summary>The model families that are computed.</summary>
internal static class FamilyTable
{
    /// <summary>The registration table: a new family adds its folder and one line here.</summary>
    private static volatile ModelFamily[] registered =
    [
        new LlamaFamily(),
        new MistralFamily(),
        new Qwen2Family(),
        new Qwen3Family(),
        new BloomFamily(),
    ];

    /// <summary>Adds a family from another assembly, for the life of the process; one of the same name is replaced.</summary>
    internal static void Register(ModelFamily family)
    {
        ModelFamily[] former, next;
        do
        {
            former = registered;
            next = [.. former.Where(known => known.Name != family.Name), family];
        }
        while (Interlocked.CompareExchange(ref registered, next, former) != former);
    }

    /// <summary>The family of a checkpoint.</summary>
    /// <exception cref="PeftException">It is read, but not computed by this version.</exception>
    internal static ModelFamily Of(ModelFolder model) => Array.Find(registered, family => family.Name == model.Family)
        ?? throw new PeftException(
            $"{model.Path}: models of family {model.Family} are not computed by this version; computed: "
                + $"{string.Join(", ", registered.Select(static family => family.Name))}"
        );
}
