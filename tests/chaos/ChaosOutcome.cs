using System.Diagnostics;

namespace Peft.Orleans.Chaos;

/// <summary>A silo that was killed.</summary>
/// <param name="Silo">Its name.</param>
/// <param name="Seated">Whether it had a place in the plan: else nothing need be mended.</param>
/// <param name="Term">Term it died in.</param>
/// <param name="At">Timestamp of the signal.</param>
internal sealed record KillRecord(string Silo, bool Seated, int Term, long At)
{
    /// <summary>Seated silos that were left running.</summary>
    public int Left { get; init; }

    /// <summary>Seconds to the first committed step of a later term.</summary>
    public double? Recovery { get; set; }
}

/// <summary>What was done to the disturbed run and how it went on.</summary>
internal sealed class ChaosOutcome(string folder, string eventLog)
{
    internal string Folder => folder;

    internal string EventLog => eventLog;

    internal List<KillRecord> Kills { get; } = [];

    internal int Freezes { get; set; }

    internal int Joins { get; set; }

    internal int JoinsSeated { get; set; }

    /// <summary>Added silos that have no place in a plan yet.</summary>
    internal List<(Process Process, string Name)> Pending { get; } = [];

    internal int Events => Kills.Count + Freezes + Joins;

    internal int ClientExits { get; set; }

    internal int Resumes { get; set; }

    internal int CommittedStepsLost { get; set; }

    internal int StepsReplayed { get; set; }

    internal int Replays { get; set; }

    internal int Terms { get; set; }

    internal string? Stalled { get; set; }
}
