namespace Peft.Orleans.Core.Tests.Protocol.Exploration;

/// <summary>
/// What membership says of a process. A frozen one is out of membership and goes on all the same; so is, for everybody who asks for the
/// live silos by name, a displaced one: another of its name has joined, and is the one that counts (<c>NamedSilos</c>).
/// </summary>
internal enum Life : byte
{
    None, Live, Frozen, Dead, Displaced,
}

internal static class Lives
{
    /// <summary>Whether a process goes on though it does not count any more.</summary>
    internal static bool IsOutside(this Life life) => life is Life.Frozen or Life.Displaced;
}

/// <summary>
/// A state of the whole model: numbers of interned local states, and the messages ever sent that can still do something. Messages stay:
/// each may arrive at any later time, again, or never.
/// </summary>
internal sealed class World
{
    internal int[] Silos = new int[Processes.Count];
    internal Life[] Lives = new Life[Processes.Count];
    internal int[] Coordinators = [0];
    internal int[] Messages = [];

    /// <summary>The run's file of metrics: term that opened it last, and the words of its lines.</summary>
    internal int Owner;
    internal int[] Lines = [];
    internal int Crashes;
    internal int Freezes;
    internal int Restarts;
    internal int Joins;
    internal int Doubles;
    internal int Takeovers;
    internal int Flips;

    /// <summary>Plan in force last: under which the run's files were written to; 0: none yet.</summary>
    internal int Plan;

    /// <summary>All seats of a layer were lost at once: only replay can bring the steps back.</summary>
    internal bool Excused;

    internal int Terms => Coordinators.Length - 1;

    internal World Copy() => new()
    {
        Silos = [.. Silos],
        Lives = [.. Lives],
        Coordinators = [.. Coordinators],
        Messages = Messages,
        Owner = Owner,
        Lines = Lines,
        Crashes = Crashes,
        Freezes = Freezes,
        Restarts = Restarts,
        Joins = Joins,
        Doubles = Doubles,
        Takeovers = Takeovers,
        Flips = Flips,
        Plan = Plan,
        Excused = Excused,
    };

    internal void Add(int message)
    {
        var at = Array.BinarySearch(Messages, message);
        if (at >= 0) return;
        var more = new int[Messages.Length + 1];
        Array.Copy(Messages, more, ~at);
        more[~at] = message;
        Array.Copy(Messages, ~at, more, ~at + 1, Messages.Length - ~at);
        Messages = more;
    }

    internal void Keep(Predicate<int> which) => Messages = Array.FindAll(Messages, which);

    /// <summary>128 bits of hash: with some hundred million states a collision has a chance below one in 10²².</summary>
    internal UInt128 Hash()
    {
        ulong a = 0x9E3779B97F4A7C15, b = 0xC2B2AE3D27D4EB4F;
        void Mix(int value)
        {
            a = (a ^ (uint)value) * 0xFF51AFD7ED558CCD;
            a ^= a >> 32;
            b = (b + (uint)value + 0x165667B19E3779F9) * 0xC4CEB9FE1A85EC53;
            b ^= b >> 29;
        }

        foreach (var silo in Silos) Mix(silo);
        foreach (var life in Lives) Mix((int)life);
        foreach (var coordinator in Coordinators) Mix(coordinator);
        Mix(-1);
        foreach (var message in Messages) Mix(message);
        Mix(-2);
        foreach (var line in Lines) Mix(line);
        Mix(Owner);
        Mix((((((((((Doubles * 4) + Crashes) * 4) + Freezes) * 4) + Restarts) * 4) + Joins) * 4) + Takeovers);
        Mix((Flips * 2) + (Excused ? 1 : 0));
        Mix(Plan);
        return new UInt128(a, b);
    }
}
