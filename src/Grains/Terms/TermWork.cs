using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Grains.Terms;

/// <summary>A term's units put together, and which of them carries out which effect of the protocol.</summary>
internal sealed class TermWork : IDisposable
{
    private readonly Fencing fencing;
    private readonly Seating seating;
    private readonly FirstVersion first;
    private readonly Stepping stepping;
    private readonly Commits commits;
    private readonly Reporting reporting;

    internal TermWork(TermContext term, RunServices services, TermTimes times)
    {
        var (agents, time) = (services.Agents, services.Time);
        var log = services.Loggers.CreateLogger<TermRun>();
        Disk = new DiskPatience(term, time, log);
        Journals = new RunJournals(term, Disk, new FolderCare(term, time, log));
        Files = new VersionFiles(term, agents, Journals, Disk);
        Newcomers = new Newcomers(term, agents, Journals, log);
        fencing = new Fencing(term, agents, time, log);
        seating = new Seating(term, agents, Journals, fencing);
        first = new FirstVersion(term, agents);
        commits = new Commits(term, Journals, times);
        var validation = new Validation(term, agents, Journals, Files);
        reporting = new Reporting(term, commits, validation, Files);
        stepping = new Stepping(term, agents, new StepComputation(term, agents), validation);
    }

    /// <summary>The run's journals.</summary>
    internal RunJournals Journals { get; }

    /// <summary>What silos write of versions.</summary>
    internal VersionFiles Files { get; }

    /// <summary>For work on files.</summary>
    internal DiskPatience Disk { get; }

    /// <summary>Silos that come.</summary>
    internal Newcomers Newcomers { get; }

    /// <summary>Whether a step was committed in this term.</summary>
    internal bool Committed => commits.Any;

    /// <summary>Whether validation has not improved for as long as the run file allows.</summary>
    internal bool StoppedEarly => reporting.StoppedEarly;

    /// <summary>Carries an effect out.</summary>
    /// <returns>What the protocol is to be told of it.</returns>
    internal Task<Answer> CarryOut(CoordinatorEffect effect) => effect switch
    {
        CoordinatorEffect.SendFence fence => fencing.Fence(fence.Silo),
        CoordinatorEffect.MakePlan => seating.MakePlan(),
        CoordinatorEffect.SendStart start => seating.Start(start.Silo, start.Target),
        CoordinatorEffect.Initialize => first.Make(seating.NeedsEstimate),
        CoordinatorEffect.SendProtect protect => stepping.Protect(protect.Silo, protect.Version),
        CoordinatorEffect.Report report => reporting.Report(report.Step),
        CoordinatorEffect.ComputeGradients compute => stepping.ComputeGradients(compute.Step),
        CoordinatorEffect.SendReduce reduce => stepping.Reduce(reduce.Silo, reduce.Step),
        CoordinatorEffect.SendPrepare prepare => stepping.Prepare(prepare.Silo, prepare.Step),
        CoordinatorEffect.SendApply apply => stepping.Apply(apply.Silo, apply.Step),
        _ => throw new UnreachableException(effect.ToString()),
    };

    public void Dispose() => Journals.Dispose();
}
