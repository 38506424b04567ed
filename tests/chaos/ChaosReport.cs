using System.Text.Json;

namespace Peft.Orleans.Chaos;

/// <summary>The JSON object on stdout. Files are named in pairs: undisturbed, disturbed.</summary>
internal sealed record ChaosReport
{
    internal static JsonSerializerOptions Json { get; } = new(JsonSerializerDefaults.Web);

    public required int Silos { get; init; }

    public required int Seed { get; init; }

    public required int Events { get; init; }

    public required int Kills { get; init; }

    public required int Freezes { get; init; }

    public required int Joins { get; init; }

    public required int CommittedStepsLost { get; init; }

    public required int SamplesDropped { get; init; }

    public required int SamplesRepeated { get; init; }

    public required bool AdapterIdentical { get; init; }

    public required double? RecoverySecondsP50 { get; init; }

    public required double? RecoverySecondsP95 { get; init; }

    public required int StepsReplayed { get; init; }

    /// <summary>Steps whose lines of metrics.jsonl differ in a bit of loss, norm, rate, tokens or λ, or that are missing.</summary>
    public required int StepsDiffering { get; init; }

    public required bool SampleLogIdentical { get; init; }

    /// <summary>Kills whose recovery was measured: the silo had a place in the plan, and a step was left to be made.</summary>
    public required int RecoveriesMeasured { get; init; }

    public required double? RecoverySecondsMax { get; init; }

    /// <summary>Kills that left one silo with a place in the plan, or none.</summary>
    public required int KillsToOneSilo { get; init; }

    public required int KillsOfLastSilo { get; init; }

    /// <summary>Times that a term went back behind a committed step.</summary>
    public required int Replays { get; init; }

    public required int Terms { get; init; }

    /// <summary>Added silos that got a place in a plan.</summary>
    public required int JoinsSeated { get; init; }

    /// <summary>Times that the client ended before the run did.</summary>
    public required int ClientExits { get; init; }

    public required int Resumes { get; init; }

    /// <summary>Why the run did not come to its end; null: it did.</summary>
    public required string? Stalled { get; init; }

    public required HashedFile[] Adapters { get; init; }

    public required HashedFile[] SampleLogs { get; init; }

    public required string EventLog { get; init; }

    /// <summary>Whether the promise was kept.</summary>
    internal bool Holds =>
        Stalled is null
        && CommittedStepsLost == 0
        && SamplesDropped == 0
        && SamplesRepeated == 0
        && StepsDiffering == 0
        && AdapterIdentical
        && SampleLogIdentical;

    internal static ChaosReport Make(ChaosOptions options, ChaosOutcome outcome, Comparison comparison)
    {
        double[] recoveries = [.. outcome.Kills.Select(static kill => kill.Recovery).OfType<double>().Order()];
        return new ChaosReport
        {
            Silos = options.Silos,
            Seed = options.Seed,
            Events = outcome.Events,
            Kills = outcome.Kills.Count,
            Freezes = outcome.Freezes,
            Joins = outcome.Joins,
            CommittedStepsLost = outcome.CommittedStepsLost,
            SamplesDropped = comparison.SamplesDropped,
            SamplesRepeated = comparison.SamplesRepeated,
            AdapterIdentical = comparison.AdapterIdentical,
            RecoverySecondsP50 = Percentile(recoveries, 0.5),
            RecoverySecondsP95 = Percentile(recoveries, 0.95),
            StepsReplayed = outcome.StepsReplayed,
            StepsDiffering = comparison.StepsDiffering,
            SampleLogIdentical = comparison.SampleLogIdentical,
            RecoveriesMeasured = recoveries.Length,
            RecoverySecondsMax = Percentile(recoveries, 1),
            KillsToOneSilo = outcome.Kills.Count(static kill => kill is { Seated: true, Left: <= 1 }),
            KillsOfLastSilo = outcome.Kills.Count(static kill => kill is { Seated: true, Left: 0 }),
            Replays = outcome.Replays,
            Terms = outcome.Terms,
            JoinsSeated = outcome.JoinsSeated,
            ClientExits = outcome.ClientExits,
            Resumes = outcome.Resumes,
            Stalled = outcome.Stalled,
            Adapters = comparison.Adapters,
            SampleLogs = comparison.SampleLogs,
            EventLog = outcome.EventLog,
        };
    }

    /// <summary>The nearest rank.</summary>
    private static double? Percentile(double[] sorted, double part) =>
        sorted.Length == 0 ? null : Math.Round(sorted[Math.Clamp((int)Math.Ceiling(part * sorted.Length) - 1, 0, sorted.Length - 1)], 3);
}
