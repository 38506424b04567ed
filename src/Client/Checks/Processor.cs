using System.Runtime.Intrinsics.X86;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Client.Checks;

/// <summary>What this machine's processor multiplies in hardware.</summary>
internal static class Processor
{
    private static readonly (int Eax1, int Edx) Leaf7 = ReadLeaf7();

    /// <summary>AVX-512 with bfloat16 products.</summary>
    public static bool HasAvx512BFloat16 => Avx512F.IsSupported && (Leaf7.Eax1 & (1 << 5)) != 0;

    /// <summary>Matrix tiles with bfloat16 products.</summary>
    public static bool HasAmxBFloat16 => (Leaf7.Edx & (1 << 22)) != 0;

    /// <summary>What <c>compute.products: auto</c> means here for weights of a type, as the silo resolves it: bf16 products where the processor has them; the others it emulates.</summary>
    public static ProductType Products(WeightType weights) => weights switch
    {
        WeightType.Float32 => ProductType.Native,
        WeightType.BFloat16 when HasAvx512BFloat16 || HasAmxBFloat16 => ProductType.Native,
        _ => ProductType.Float32,
    };

    /// <summary>The path that bf16 products take here, for people.</summary>
    public static string BFloat16Path => HasAmxBFloat16 ? "native (AMX)" : HasAvx512BFloat16 ? "native (AVX-512 BF16)" : "float32 (this processor has no bf16 products; weights are converted block by block)";

    private static (int Eax1, int Edx) ReadLeaf7()
    {
        if (!X86Base.IsSupported) return default;
        var (leaves, _, _, edx) = X86Base.CpuId(7, 0);
        return (leaves >= 1 ? X86Base.CpuId(7, 1).Eax : 0, edx);
    }
}
