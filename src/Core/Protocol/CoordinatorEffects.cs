namespace Peft.Orleans.Core.Protocol;

/// <summary>What the coordinator must do; carried out by the run grain.</summary>
public abstract record CoordinatorEffect
{
    /// <summary>Send <c>Fence</c> to a silo's agent.</summary>
    public sealed record SendFence(string Silo) : CoordinatorEffect;

    /// <summary>All silos have answered: make the plan.</summary>
    public sealed record MakePlan : CoordinatorEffect;

    /// <summary>Send <c>Start</c> to a silo's agent.</summary>
    public sealed record SendStart(string Silo, int Target) : CoordinatorEffect;

    /// <summary>Compute version 0 on the first seats.</summary>
    public sealed record Initialize : CoordinatorEffect;

    /// <summary>Let the first seats of a silo send a version to the other seats.</summary>
    public sealed record SendProtect(string Silo, int Version) : CoordinatorEffect;

    /// <summary>Write the line of a step whose version is stable, unless it is written.</summary>
    public sealed record Report(int Step) : CoordinatorEffect;

    /// <summary>Forward and backward of all microbatches of a step.</summary>
    public sealed record ComputeGradients(int Step) : CoordinatorEffect;

    /// <summary>Let the first seats of a silo gather the replicas' partial sums and give the whole one back.</summary>
    public sealed record SendReduce(string Silo, int Step) : CoordinatorEffect;

    /// <summary>Send <c>Prepare</c> to a silo's agent.</summary>
    public sealed record SendPrepare(string Silo, int Step) : CoordinatorEffect;

    /// <summary>Send <c>Apply</c> to a silo's agent.</summary>
    public sealed record SendApply(string Silo, int Step) : CoordinatorEffect;

    /// <summary>The term has reached its end, or what was asked for, at a stable and reported version.</summary>
    public sealed record Finish(int Step, EndRequest Asked) : CoordinatorEffect;
}

/// <summary>Why a term ends at the next reported version.</summary>
public enum EndRequest
{
    /// <summary>It does not: it goes on to the last step.</summary>
    None,

    /// <summary>Silos have come that are worth a new plan.</summary>
    Replan,

    /// <summary>The run is to stop.</summary>
    Stop,
}

/// <summary>What a coordinator waits for.</summary>
public enum CoordinatorPhase
{
    /// <summary>Answers to <c>Fence</c>.</summary>
    Fencing,

    /// <summary>The plan.</summary>
    Planning,

    /// <summary>Answers to <c>Start</c>.</summary>
    Starting,

    /// <summary>Version 0.</summary>
    Initializing,

    /// <summary>The line of the version from which steps go on, or are not to go on.</summary>
    Reporting,

    /// <summary>Gradients of a step.</summary>
    Computing,

    /// <summary>The replicas' sums.</summary>
    Reducing,

    /// <summary>Answers to <c>Prepare</c>.</summary>
    Preparing,

    /// <summary>Prepared; the version before is not yet stable, or its line not yet written.</summary>
    Holding,

    /// <summary>Answers to <c>Apply</c>.</summary>
    Applying,

    /// <summary>Nothing more.</summary>
    Finished,
}
