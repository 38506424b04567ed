using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Orleans.Runtime;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Grains.Inference;
using Peft.Orleans.Grains.RunFiles;

namespace Peft.Orleans.Grains.Terms;

/// <summary>
/// Carries out the coordinator's protocol within one term: effects become grain calls, their answers events. Any refusal or loss ends
/// it by an exception.
/// </summary>
internal sealed partial class TermRun : IDisposable
{
    private readonly TermContext context;
    private readonly ILogger log;
    private readonly CoordinatorProtocol protocol;
    private readonly Channel<Func<IReadOnlyList<CoordinatorEffect>>> events = Channel.CreateUnbounded<Func<IReadOnlyList<CoordinatorEffect>>>();
    private readonly SnapshotStore snapshots;
    private readonly StepComputation steps;
    private readonly RunReporter reporter;
    private readonly TermTimes times = new();
    private readonly string runHash;
    private bool over;

    internal TermRun(TermContext context, ILoggerFactory loggers)
    {
        this.context = context;
        log = loggers.CreateLogger<TermRun>();
        protocol = new CoordinatorProtocol(context.Data.Steps);
        snapshots = new SnapshotStore(context.Request.Folder);
        runHash = context.Run.Hash;
        steps = new StepComputation(context);
        reporter = new RunReporter(context);
    }

    /// <summary>Changes of the run's status.</summary>
    internal event Action<Func<RunStatus, RunStatus>>? Progress;

    /// <summary>Plan in force.</summary>
    internal SeatPlan? Plan { get; private set; }

    /// <summary>Whether a step was committed in this term.</summary>
    internal bool Committed { get; private set; }

    /// <summary>Whether validation has not improved for as long as the run file allows.</summary>
    internal bool StoppedEarly { get; private set; }

    /// <summary>Runs to the end; returns the last stable step and what ended the term there.</summary>
    internal async Task<(int Step, EndRequest Asked)> Run()
    {
        Carry(protocol.Begin(context.Live.Keys));
        await foreach (var handle in events.Reader.ReadAllAsync())
        {
            (int, EndRequest)? finished = null;
            foreach (var effect in handle())
            {
                if (effect is CoordinatorEffect.Finish finish) finished = (finish.Step, finish.Asked);
                else Carry(effect);
            }

            if (finished is { } end)
            {
                await OnDisk(() => reporter.Sync());
                return end;
            }
        }

        throw new OperationCanceledException("the term ended");
    }

    internal void AskEnd(EndRequest request) => protocol.AskEnd(request);

    internal void MembershipChanged() => _ = Guard(CheckMembership());

    internal void End(Exception reason) => events.Writer.TryComplete(reason);

    internal void Event(string name, object details) => reporter.Event(name, details);

    /// <summary>A caller for passes without gradients at a stable version.</summary>
    internal PipelineCaller Caller(int version) => new(context.Grains, context.Request.RunId, context.Term, Plan!, version);

    /// <summary>Drops the run's state everywhere.</summary>
    internal Task EndAgents() => Task.WhenAll(context.Live.Keys.Select(silo => context.Agent(silo).End(context.Request.RunId, context.Term)));

    public void Dispose()
    {
        over = true;
        events.Writer.TryComplete();
        reporter.Dispose();
    }

    private void Carry(IReadOnlyList<CoordinatorEffect> effects)
    {
        foreach (var effect in effects) Carry(effect);
    }

    private void Carry(CoordinatorEffect effect)
    {
        times.Note(effect);
        _ = Guard(CarryOut(effect));
    }

    private async Task CarryOut(CoordinatorEffect effect)
    {
        await context.Observer.Carrying(context.Request.RunId, effect);
        await (effect switch
        {
            CoordinatorEffect.SendFence fence => Fence(fence.Silo),
            CoordinatorEffect.MakePlan => MakePlan(),
            CoordinatorEffect.SendStart start => Start(start.Silo, start.Target),
            CoordinatorEffect.Initialize => Initialize(),
            CoordinatorEffect.SendProtect protect => Protect(protect.Silo, protect.Version),
            CoordinatorEffect.Report report => Report(report.Step),
            CoordinatorEffect.ComputeGradients compute => ComputeGradients(compute.Step),
            CoordinatorEffect.SendReduce reduce => Reduce(reduce.Silo, reduce.Step),
            CoordinatorEffect.SendPrepare prepare => Prepare(prepare.Silo, prepare.Step),
            CoordinatorEffect.SendApply apply => Apply(apply.Silo, apply.Step),
            _ => throw new System.Diagnostics.UnreachableException(effect.ToString()),
        });
    }

    private async Task Guard(Task work)
    {
        try
        {
            await work;
        }
        catch (Exception error)
        {
            End(error);
        }
    }

    private void Post(Func<IReadOnlyList<CoordinatorEffect>> handle) => events.Writer.TryWrite(handle);

    private static AgentReply Accept(AgentReply reply) => reply.Accepted ? reply : throw new InvalidOperationException(reply.Reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "run {RunId}: silo {Silo} does not answer ({Reason}); it is declared dead")]
    private partial void LogSiloSilent(string runId, string silo, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "run {RunId}: the disk of {Folder} is full; the run waits")]
    private partial void LogDiskFull(string runId, string folder);

    [LoggerMessage(Level = LogLevel.Warning, Message = "run {RunId}: the silos that came could not be prepared ({Reason}); the run goes on without them")]
    private partial void LogNotWelcomed(string runId, string reason);
}
