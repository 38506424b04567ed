namespace Peft.Orleans.Data.Exports;

/// <summary>What a server must be told to load a LoRA adapter.</summary>
public static class ServedRank
{
    // The values that vLLM's --max-lora-rank has; 16 unless given.
    private static readonly int[] Allowed = [8, 16, 32, 64, 128, 256, 320, 512];

    /// <summary>The setting for an adapter of some rank, in words.</summary>
    public static string Describe(int rank)
    {
        var setting = Array.Find(Allowed, allowed => allowed >= rank);
        return setting > 0
            ? $"a server needs max_lora_rank ≥ {rank} (vLLM: --max-lora-rank {setting})"
            : $"a server needs max_lora_rank ≥ {rank} (vLLM loads at most {Allowed[^1]}: give a smaller --rank, or merge)";
    }
}
