using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.LoraGa;

/// <summary>
/// A LoRA-GA adapter as plain LoRA of rank 2r on the unmodified base, exactly: <c>A' = [A; A0]</c>, <c>B' = [B, −B0]</c>. PEFT loads it,
/// and servers whose largest rank is 2r or more.
/// </summary>
internal static class LoraGaExport
{
    /// <summary>The options of the plain LoRA adapter: r' = 2r and the α' that keeps the scale, 2α or with rsLoRA √2·α.</summary>
    internal static MethodSpec Method(MethodSpec method) => MethodTable.Lora(
        method.TargetModules,
        method.Lora with { Rank = 2 * method.Lora.Rank, Alpha = method.Lora.Alpha * (method.Lora.Rslora ? Math.Sqrt(2) : 2) });

    /// <summary>Its tensors, module by module in the order of their names; owned by the caller, one pair at a time.</summary>
    /// <exception cref="PeftException">The folder is no LoRA-GA adapter, or a factor is missing.</exception>
    internal static IEnumerable<(string Name, Tensor Value)> Tensors(AdapterTensors adapter)
    {
        var type = adapter.PeftType;
        if (type != "LORA_GA")
            throw new PeftException(
                $"{adapter.Folder}: an adapter of peft_type {type} has no frozen start to write out; only LORA_GA has"
            );
        const string Down = ".lora_A.weight",
            Up = ".lora_B.weight";
        foreach (
            var name in adapter.Names.Where(static name => name.EndsWith(Down, StringComparison.Ordinal)).Order(StringComparer.Ordinal)
        )
        {
            var module = name[..^Down.Length];
            yield return (name, Joined(adapter, module, "A", 0));
            yield return ($"{module}{Up}", Joined(adapter, module, "B", 1));
        }
    }

    private static Tensor Joined(AdapterTensors adapter, string module, string factor, long dimension)
    {
        using var scope = NewDisposeScope();
        var (trained, frozen) = (adapter.Get($"{module}.lora_{factor}.weight"), adapter.Get($"{module}.lora_{factor}0.weight"));
        return cat([trained, factor == "B" ? frozen.neg() : frozen], dimension).MoveToOuterDisposeScope();
    }
}
