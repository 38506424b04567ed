namespace Peft.Orleans.Core.Tests.Protocol.Exploration;

/// <summary>A set of 128-bit hashes in 16 bytes each, at most three quarters full: tens of millions fit into little memory.</summary>
internal sealed class StateSet
{
    private UInt128[] slots = new UInt128[1 << 12];

    internal int Count { get; private set; }

    internal bool Add(UInt128 hash)
    {
        if (Count >= slots.Length / 4 * 3) Grow();
        if (!Insert(slots, hash)) return false;
        Count++;
        return true;
    }

    /// <summary>Zero marks an empty slot.</summary>
    private static bool Insert(UInt128[] slots, UInt128 hash)
    {
        if (hash == UInt128.Zero) hash = UInt128.One;
        var at = (int)((ulong)hash & (ulong)(slots.Length - 1));
        while (slots[at] != UInt128.Zero)
        {
            if (slots[at] == hash) return false;
            at = (at + 1) & (slots.Length - 1);
        }

        slots[at] = hash;
        return true;
    }

    private void Grow()
    {
        var more = new UInt128[slots.Length * 2];
        foreach (var hash in slots)
        {
            if (hash != UInt128.Zero) Insert(more, hash);
        }

        slots = more;
    }
}
