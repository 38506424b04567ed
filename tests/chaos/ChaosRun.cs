using System.Globalization;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Chaos;

/// <summary>
/// The disturbed run: waits for progress, does something to a silo, again and again, and leaves the run to end by itself.
/// </summary>
internal sealed class ChaosRun : IDisposable
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan StallPatience = Patience.Limit;

    /// <summary>Steps per event that are left when silos that join are no longer waited for.</summary>
    private const int ScarceSteps = 4;

    private readonly ChaosOptions options;
    private readonly Random random;
    private readonly ChaosOutcome outcome;
    private readonly EventLog events;
    private readonly RunWatch watch;
    private readonly SiloSet silos;
    private readonly Disturbances disturbances;
    private readonly RunClient client;
    private int steps;
    private long progressed = TimeProvider.System.GetTimestamp();

    internal ChaosRun(PeftPrograms programs, string file, ChaosOptions options)
    {
        this.options = options;
        random = new Random(options.Seed);
        var id = string.Create(
            CultureInfo.InvariantCulture,
            $"disturbed-{options.Seed}-{DateTime.UtcNow:yyyyMMdd-HHmmss}-{Environment.ProcessId}"
        );
        var folder = Path.Combine(options.Work, id);
        events = new EventLog(Path.Combine(options.Work, id + ".events"));
        watch = new RunWatch(folder);
        silos = new SiloSet(folder);
        outcome = new ChaosOutcome(folder, events.Path);
        disturbances = new Disturbances(programs, options, random, silos, watch, events, outcome);
        events.Say($"the disturbed run: {folder}");
        client = new RunClient(programs, file, id, options, events, outcome);
    }

    internal async Task<ChaosOutcome> Run(CancellationToken cancellation)
    {
        try
        {
            await Until(() => watch.Terms.Count > 0, cancellation);
            steps = UndisturbedRun.StatusOf(outcome.Folder)?.Steps ?? 0;
            while (outcome.Events < options.Events)
            {
                // Half of what the remaining steps allow: joins take steps while they load.
                var spare = Math.Max(1, (steps - watch.LastStep) / (options.Events - outcome.Events));
                var threshold = watch.LastStep + (outcome.Events == 0 ? random.Next(0, 2) : random.Next(1, spare + 1));
                await Until(() => Completed || (watch.LastStep >= threshold && (Ready() || Scarce)), cancellation);
                if (Completed) break;
                cancellation.ThrowIfCancellationRequested();
                disturbances.DoOne();
            }

            events.Say($"{outcome.Events} events are over; the run goes on to its end");
            await Until(() => Completed && silos.Frozen.Length == 0, cancellation);
            await Until(
                () => silos.Alive.Count == 0 && client.Ended,
                cancellation,
                Patience.Limit,
                "silos or the client did not end with the run"
            );
        }
        catch (StalledException stalled)
        {
            outcome.Stalled = stalled.Message;
            events.Say(stalled.Message);
        }
        finally
        {
            Dispose();
        }

        watch.Read();
        outcome.CommittedStepsLost = watch.Lost.Count;
        outcome.StepsReplayed = watch.Terms.Sum(static term => term.Replayed);
        outcome.Replays = watch.Terms.Count(static term => term.Replayed > 0);
        outcome.Terms = watch.Terms.Count;
        return outcome;
    }

    /// <summary>Leaves nothing running.</summary>
    public void Dispose()
    {
        client.Dispose();
        silos.Refresh(null);
        foreach (var silo in silos.Alive) Signals.Kill(silo.Pid);
        disturbances.Dispose();
        events.Dispose();
    }

    private bool Completed => client.Ended && UndisturbedRun.StatusOf(outcome.Folder)?.State == RunState.Completed;

    /// <summary>
    /// Both copies of a layer shall be lost rarely: while few silos have a place in the plan, those that come are waited for.
    /// </summary>
    private bool Ready() =>
        silos.Running.Length > 0
        && (silos.Seated.Length > 2 || (silos.Running.Length == silos.Seated.Length && outcome.Pending.Count == 0));

    /// <summary>
    /// On a busy machine silos take longer to join than the run has steps to spare: then events come at every step, whoever has a place.
    /// </summary>
    private bool Scarce => silos.Running.Length > 0 && steps - watch.LastStep <= ScarceSteps * (options.Events - outcome.Events);

    private async Task Until(Func<bool> condition, CancellationToken cancellation, TimeSpan? patience = null, string? otherwise = null)
    {
        var began = TimeProvider.System.GetTimestamp();
        using var timer = new PeriodicTimer(Poll);
        do
        {
            Look();
            if (condition()) return;
            if (patience is { } limit && TimeProvider.System.GetElapsedTime(began) > limit) throw new StalledException(otherwise!);
            if (patience is null && TimeProvider.System.GetElapsedTime(progressed) > StallPatience)
                throw new StalledException(
                    $"no step after {watch.LastStep} for {StallPatience.TotalSeconds:0} s; {silos.Running.Length} silos run: see "
                        + $"{outcome.Folder}/logs and {client.Log}"
                );
        } while (await timer.WaitForNextTickAsync(cancellation));
    }

    /// <summary>Looks at everything once.</summary>
    private void Look()
    {
        var fresh = watch.Read();
        var now = TimeProvider.System.GetTimestamp();
        if (fresh.Count > 0)
        {
            progressed = now;
            LookAtRecoveries(fresh, now);
        }

        silos.Refresh(watch.Terms.LastOrDefault());
        disturbances.Wake(now);
        disturbances.LookAtPending();
        client.Look(watch.LastStep, silos.Alive.Count);
        if (!NothingIsLeft) return;
        client.Resume(watch.LastStep);
        progressed = now;
    }

    private void LookAtRecoveries(IReadOnlyList<StepLine> fresh, long now)
    {
        foreach (var kill in outcome.Kills.Where(static kill => kill is { Seated: true, Recovery: null }))
        {
            // A line of the term it died in was on its way already; recovery has come with the first of a later one.
            if (!fresh.Any(line => line.Term > kill.Term)) continue;
            kill.Recovery = TimeProvider.System.GetElapsedTime(kill.At, now).TotalSeconds;
            events.Say(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"step {watch.LastStep}: recovered from the loss of {kill.Silo} after {kill.Recovery:0.00} s"
                )
            );
        }
    }

    /// <summary>Without a client and without silos nothing goes on by itself.</summary>
    private bool NothingIsLeft => client.Ended
        && silos.Alive.Count == 0
        && outcome.Pending.TrueForAll(static pending => pending.Process.HasExited)
        && UndisturbedRun.StatusOf(outcome.Folder)?.State != RunState.Completed;
}
