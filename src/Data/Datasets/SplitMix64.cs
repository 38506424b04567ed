namespace Peft.Orleans.Data.Datasets;

/// <summary>
/// A fixed pseudo-random sequence (Steele, Lea, Flood 2014) addressed by key: what it gives depends on nothing but the numbers named
/// here, on no version of any library.
/// </summary>
internal struct SplitMix64
{
    private const ulong Increment = 0x9E3779B97F4A7C15;
    private ulong state;

    /// <summary>The sequence of a key; every part of the key matters.</summary>
    public SplitMix64(params ReadOnlySpan<ulong> key)
    {
        foreach (var part in key) state = Mix(state + Increment + part);
    }

    /// <summary>The next 64 bits.</summary>
    public ulong Next() => Mix(state += Increment);

    /// <summary>A number in [0, <paramref name="bound"/>), each as likely (Lemire's method).</summary>
    public int Next(int bound)
    {
        while (true)
        {
            var product = (UInt128)Next() * (ulong)bound;
            var low = (ulong)product;
            if (low >= (ulong)bound || low >= (0 - (ulong)bound) % (ulong)bound) return (int)(ulong)(product >> 64);
        }
    }

    /// <summary>A random order of 0 … <paramref name="count"/> − 1 (Fisher-Yates).</summary>
    public int[] Permutation(int count)
    {
        var order = new int[count];
        for (var i = 0; i < count; i++) order[i] = i;
        for (var i = count - 1; i > 0; i--)
        {
            var j = Next(i + 1);
            (order[i], order[j]) = (order[j], order[i]);
        }

        return order;
    }

    /// <summary>Scrambles 64 bits, one to one.</summary>
    public static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
