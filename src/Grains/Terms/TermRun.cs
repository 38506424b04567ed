using System.Diagnostics;
using System.Threading.Channels;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Grains.Figures;
using Peft.Orleans.Grains.Inference;

namespace Peft.Orleans.Grains.Terms;

/// <summary>
/// Carries out the coordinator's protocol within one term: effects become messages to silos, their answers go back to the protocol. Any
/// refusal or loss ends it.
/// </summary>
internal sealed class TermRun : IDisposable
{
    private static TimeSpan WelcomeAgain => ClusterTimes.Current.WelcomeAgain;

    private readonly TermContext term;
    private readonly IAgents agents;
    private readonly TimeProvider time;
    private readonly ICoordinatorObserver observer;
    private readonly CoordinatorProtocol protocol;
    private readonly Channel<Answer> answers = Channel.CreateUnbounded<Answer>();
    private readonly TermTimes times = new();
    private readonly TermWork work;
    private readonly TermTraces traces;
    private bool looksAgain;
    private bool over;

    internal TermRun(TermContext term, RunServices services)
    {
        (this.term, agents, time, observer) = (term, services.Agents, services.Time, services.Observer);
        protocol = new CoordinatorProtocol(term.Data.Steps);
        work = new TermWork(term, services, times);
        traces = new TermTraces(term);
    }

    /// <summary>What the term is about.</summary>
    internal TermContext Term => term;

    /// <summary>The run's journals.</summary>
    internal RunJournals Journals => work.Journals;

    /// <summary>What silos write of versions.</summary>
    internal VersionFiles Files => work.Files;

    /// <summary>For work on files.</summary>
    internal DiskPatience Disk => work.Disk;

    /// <summary>Whether a step was committed in this term.</summary>
    internal bool Committed => work.Committed;

    /// <summary>The span of the whole term.</summary>
    internal Activity? BeginSpan() => Traces.Begin(
        Traces.Term,
        ("run", term.RunId),
        ("term", term.Term.Counter),
        ("silos", term.Live.Count),
        ("recovering", term.Recovering));

    /// <summary>Runs to the end.</summary>
    /// <exception cref="OperationCanceledException">The coordinator was deactivated.</exception>
    internal async Task<TermOutcome> Run()
    {
        try
        {
            Carry(protocol.Begin(term.Live.Keys));
            await foreach (var answer in answers.Reader.ReadAllAsync())
            {
                CoordinatorEffect.Finish? finish = null;
                foreach (var effect in answer(protocol))
                {
                    if (effect is CoordinatorEffect.Finish end) finish = end;
                    else Carry(effect);
                }

                if (finish is null) continue;
                await Journals.Sync();
                return OutcomeOf(finish);
            }

            throw new OperationCanceledException("the term ended");
        }
        catch (Exception error) when (!term.Abandoned.IsCancellationRequested)
        {
            return TermOutcome.Of(error, Committed);
        }
    }

    /// <summary>Ends at the next reported version.</summary>
    internal void AskEnd(EndRequest request) => protocol.AskEnd(request);

    /// <summary>A silo that leaves has no seat in the next term, which begins at the next reported version.</summary>
    /// <returns>Whether others take its seats.</returns>
    internal async Task<bool> Relieve(string silo)
    {
        if (await work.Newcomers.Relieve(silo) == 0) return false;
        protocol.AskEnd(EndRequest.Replan);
        return true;
    }

    /// <summary>Somebody came or went.</summary>
    internal void MembershipChanged() => _ = Guard(Look());

    /// <summary>Ends at once.</summary>
    internal void End(Exception reason) => answers.Writer.TryComplete(reason);

    /// <summary>A caller for passes without gradients at a stable version.</summary>
    internal PipelineCaller Caller(int version) => PassCaller.Of(term, agents, version);

    /// <summary>Drops the run's state everywhere.</summary>
    internal Task EndAgents() => Task.WhenAll(term.Live.Values.Select(silo => agents.At(silo).End(term.RunId, term.Term)));

    /// <summary>Peak resident memory of every silo's process, bytes.</summary>
    internal async Task<Dictionary<string, long>> PeakMemory()
    {
        var peaks = new Dictionary<string, long>();
        foreach (var (name, silo) in term.Live) peaks[name] = (await agents.At(silo).Describe()).PeakResidentBytes;
        return peaks;
    }

    public void Dispose()
    {
        over = true;
        answers.Writer.TryComplete();
        traces.Dispose();
        work.Dispose();
    }

    private TermOutcome OutcomeOf(CoordinatorEffect.Finish finish) => finish.Asked switch
    {
        EndRequest.Replan => new TermOutcome.Replan(finish.Step),
        EndRequest.Stop when !work.StoppedEarly => new TermOutcome.Stopped(finish.Step),
        _ => new TermOutcome.Finished(finish.Step),
    };

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
        using var span = traces.Begin(effect);
        await observer.Carrying(term.RunId, effect);
        var answer = await work.CarryOut(effect);
        traces.Done(effect);
        answers.Writer.TryWrite(answer);
        // Whoever came while the plan was made.
        if (effect is CoordinatorEffect.MakePlan) answers.Writer.TryWrite(Planned);
    }

    private IReadOnlyList<CoordinatorEffect> Planned(CoordinatorProtocol _)
    {
        MembershipChanged();
        return [];
    }

    private async Task Look()
    {
        while (!over)
        {
            switch (await work.Newcomers.Look())
            {
                case Arrivals.None: return;
                case Arrivals.Ready:
                    protocol.AskEnd(EndRequest.Replan);
                    return;
                default:
                    // One look after the other is enough, however many changes there were.
                    if (looksAgain) return;
                    looksAgain = true;
                    await Task.Delay(WelcomeAgain, time, term.Abandoned);
                    looksAgain = false;
                    break;
            }
        }
    }

    private async Task Guard(Task carried)
    {
        try
        {
            await carried;
        }
        catch (Exception error)
        {
            End(error);
        }
    }
}
