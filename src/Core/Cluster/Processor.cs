using System.Runtime.Intrinsics.X86;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Core.Cluster;

/// <summary>What this machine's processor multiplies, by what it says of itself (<c>cpuid</c>): client and silo choose alike.</summary>
public static class Processor
{
    private const int Intel = 0x756e_6547; // "Genu"

    /// <summary>Family 6: the one server generation of Intel with AVX512-BF16 that was made for it instead of for AMX.</summary>
    private const int CooperLake = 0x55;

    private static readonly (int Vendor, int Model, int Eax1, int Edx) Identity = Read();

    /// <summary>AVX-512 with bfloat16 products.</summary>
    public static bool HasAvx512BFloat16 => Avx512F.IsSupported && (Identity.Eax1 & (1 << 5)) != 0;

    /// <summary>Matrix tiles with bfloat16 products.</summary>
    public static bool HasAmxBFloat16 => (Identity.Edx & (1 << 22)) != 0;

    /// <summary>The path that bf16 products take here, for people.</summary>
    public static string BFloat16Path =>
        HasAmxBFloat16 ? "native (AMX)"
        : MultipliesFloat32Faster ? "native (AVX-512 BF16; float32 takes two thirds of the time here and 1.4 times the memory)"
        : HasAvx512BFloat16 ? "native (AVX-512 BF16)"
        : "float32 (this processor has no bf16 products; weights are converted block by block)";

    /// <summary>
    /// Whether bf16 weights train faster with <c>compute.products: float32</c> although the processor has bf16 products; it takes more
    /// memory then.
    /// </summary>
    public static bool MultipliesFloat32Faster { get; } =
        IsFasterInFloat32(HasAmxBFloat16, HasAvx512BFloat16, Identity.Vendor == Intel, Identity.Model);

    /// <summary>
    /// What <c>compute.products: auto</c> means on this processor for weights of a type: native where it has products of that type, else
    /// float32.
    /// </summary>
    public static ProductType Products(WeightType weights) => weights switch
    {
        WeightType.Float32 => ProductType.Native,
        WeightType.BFloat16 when HasAvx512BFloat16 || HasAmxBFloat16 => ProductType.Native,
        // AVX512-BF16 does not multiply float16.
        _ => ProductType.Float32,
    };

    /// <summary>
    /// Intel's processors since Sapphire Rapids multiply bf16 in AMX; where a virtual machine hides that, their AVX512-BF16 does half of
    /// what their fp32 does (170 against 330 GFLOP/s, docs/benchmarks.md), while AMD's does twice as much.
    /// </summary>
    /// <param name="amx">Whether the processor has AMX-BF16.</param>
    /// <param name="avx512">Whether it has AVX512-BF16.</param>
    /// <param name="intel">Whether Intel made it.</param>
    /// <param name="model">Its model number in family 6, extended model included.</param>
    public static bool IsFasterInFloat32(bool amx, bool avx512, bool intel, int model) => !amx && avx512 && intel && model != CooperLake;

    private static (int Vendor, int Model, int Eax1, int Edx) Read()
    {
        if (!X86Base.IsSupported) return default;
        var (last, vendor, _, _) = X86Base.CpuId(0, 0);
        if (last < 7) return default;
        var signature = X86Base.CpuId(1, 0).Eax;
        var model = ((signature >> 4) & 0xf) | ((signature >> 12) & 0xf0);
        var (leaves, _, _, edx) = X86Base.CpuId(7, 0);
        return (vendor, model, leaves >= 1 ? X86Base.CpuId(7, 1).Eax : 0, edx);
    }
}
