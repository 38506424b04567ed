using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Planning;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Grains.RunFiles;

namespace Peft.Orleans.Grains.Terms;

/// <summary>Who sits where: the plan for the silos that answered, and their start from the version that the term begins with.</summary>
internal sealed class Seating(TermContext term, IAgents agents, RunJournals journals, Fencing fencing)
{
    private readonly SnapshotStore snapshots = new(term.Folder);
    private SnapshotManifest? snapshot;

    /// <summary>Whether a seat has to learn of the base before it makes version 0.</summary>
    internal bool NeedsEstimate { get; private set; }

    /// <summary>Makes the plan for the silos that answered.</summary>
    /// <exception cref="UnfitSiloException">A silo computes with another number of threads than the run was created for.</exception>
    /// <exception cref="TooFewSilosException">Fewer silos take seats than the run asks for.</exception>
    internal async Task<Answer> MakePlan()
    {
        fencing.RequireThreads();
        var silos = fencing.Silos.ToArray();
        TooFewSilosException.Check(silos, term.Spec);
        snapshot = await Task.Run(() => snapshots.Newest(term.Run.Hash));
        if (snapshot?.Step is { } step && snapshot.StepRecord is { } record) term.Records.TryAdd(step, record);
        if (snapshot is { Step: var taken }) term.Figures.Elastic.Snapshot(taken, snapshots.AgeOf(taken));
        var plan = RunPlanner.Plan(term.Run, silos);
        term.Figures.Elastic.Planned(plan);
        term.Figures.Training.Peak(fencing.PeakOf(plan));
        term.Progress.Note(status => status with { Message = "seating layers", Silos = plan.Silos.Length });
        return protocol =>
        {
            term.Plan = plan;
            var effects = protocol.Planned(plan, snapshot is null ? [] : [snapshot.Step], journals.LastLine);
            journals.Begin(plan, protocol.Stable);
            return effects;
        };
    }

    /// <summary>Lets a silo take its seats, and get the target version from whoever has it.</summary>
    internal async Task<Answer> Start(string silo, int target)
    {
        var folder = snapshot?.Step == target ? term.Folder.Snapshot(target) : null;
        var message = new StartMessage(term.Definition, term.Term, term.Plan, target, fencing.Holders(target), folder);
        var reply = (await agents.At(term.Live[silo]).Start(message)).Obeyed();
        return protocol =>
        {
            NeedsEstimate |= reply.NeedsEstimate;
            return protocol.Started(silo, reply.LacksVersion);
        };
    }
}
