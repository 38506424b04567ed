namespace Peft.Orleans.Core.Protocol;

/// <summary>Where a silo stands in the protocol of one run.</summary>
public enum AgentPhase
{
    /// <summary>Knows nothing of the run.</summary>
    Empty,

    /// <summary>Refuses lower terms; waits for <c>Start</c>.</summary>
    Fenced,

    /// <summary>Has its seats, some still lack the target version.</summary>
    Seating,

    /// <summary>Every seat holds the target version; steps may run.</summary>
    Started,
}

/// <summary>What a silo must do; carried out by its agent, in order.</summary>
public abstract record AgentEffect
{
    /// <summary>Stop device work of lower terms and refuse their remote writes.</summary>
    public sealed record CancelWork(Term Term) : AgentEffect;

    /// <summary>Drop all leaves and tree nodes.</summary>
    public sealed record ClearGradients : AgentEffect;

    /// <summary>Drop a version of a layer.</summary>
    public sealed record DropVersion(int Layer, int Version) : AgentEffect;

    /// <summary>
    /// Load base weights for the active seats and get version <paramref name="Version"/> for the seats that lack it, passive ones too.
    /// </summary>
    public sealed record TakeSeats(int[] Active, int[] Missing, int Version) : AgentEffect;

    /// <summary>Take the optimizer step for the listed layers into the second buffer.</summary>
    public sealed record TakeStep(int[] Layers, int Version) : AgentEffect;

    /// <summary>Send a version of a layer to the silos of its other seats.</summary>
    public sealed record SendCopies(int Layer, int Version, string[] Silos) : AgentEffect;
}

/// <summary>The answer to a message: obeyed with effects, or refused with the reason.</summary>
public sealed record AgentDecision(bool Accepted, string Reason, IReadOnlyList<AgentEffect> Effects)
{
    /// <summary>Obeyed without effect.</summary>
    public static readonly AgentDecision Nothing = new(true, "", []);

    /// <summary>Obeyed.</summary>
    public static AgentDecision Do(params IReadOnlyList<AgentEffect> effects) => new(true, "", effects);

    /// <summary>Refused.</summary>
    public static AgentDecision Refuse(string reason) => new(false, reason, []);
}
