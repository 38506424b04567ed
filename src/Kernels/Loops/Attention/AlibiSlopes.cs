using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Peft.Orleans.Kernels.Loops.Attention;

/// <summary>
/// ALiBi (Press et al., 2022): a query's scores fall by its head's slope with every position between it and the key. Distances are a
/// segment's own, so that samples of a packed row, and padded rows, score as each would alone.
/// </summary>
internal sealed unsafe class AlibiSlopes
{
    // Pinned: loops read it by its address.
    private readonly float[] slopes;

    private AlibiSlopes(int heads) => slopes = GC.AllocateArray<float>(heads, pinned: true);

    /// <summary>A slope for each query head.</summary>
    internal IReadOnlyList<float> Values => slopes;

    internal float* Pointer => (float*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(slopes));

    /// <summary>
    /// BLOOM's: head h of n = 2ᵏ has 2^(−8(h+1)/n); of other numbers the first 2ᵏ heads have those, the others every second one of twice as
    /// many heads.
    /// </summary>
    internal static AlibiSlopes Of(int heads)
    {
        var result = new AlibiSlopes(heads);
        var power = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)heads + 1) / 2;
        for (var head = 0; head < heads; head++)
        {
            var (of, index) = head < power ? (power, head + 1) : (2 * power, (2 * (head - power)) + 1);
            // The base in fp32, as the reference has it.
            var first = (float)Math.Pow(2, -8.0 / of);
            result.slopes[head] = (float)Math.Pow(first, index);
        }

        return result;
    }
}
