using System.Diagnostics;
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
    private readonly PeftPrograms programs;
    private readonly string folder;
    private readonly string clientLog;
    private readonly StreamWriter eventLog;
    private readonly RunWatch watch;
    private readonly SiloSet silos;
    private readonly Random random;
    private readonly ChaosOutcome outcome;
    private readonly List<Process> joined = [];
    private Process client;
    private bool clientEnded;
    private int resumedAt = -1;
    private int steps;
    private long progressed = TimeProvider.System.GetTimestamp();

    internal ChaosRun(PeftPrograms programs, string file, ChaosOptions options)
    {
        this.programs = programs;
        this.options = options;
        random = new Random(options.Seed);
        var id = string.Create(
            CultureInfo.InvariantCulture,
            $"disturbed-{options.Seed}-{DateTime.UtcNow:yyyyMMdd-HHmmss}-{Environment.ProcessId}"
        );
        folder = Path.Combine(options.Work, id);
        clientLog = Path.Combine(options.Work, id + ".log");
        eventLog = new StreamWriter(Path.Combine(options.Work, id + ".events")) { AutoFlush = true };
        watch = new RunWatch(folder);
        silos = new SiloSet(folder);
        outcome = new ChaosOutcome(folder, Path.Combine(options.Work, id + ".events"));
        Say($"the disturbed run: {folder}");
        client = programs.StartRun(file, id, options.Silos, clientLog);
    }

    internal async Task<ChaosOutcome> Run(CancellationToken cancellation)
    {
        try
        {
            await Until(() => watch.Terms.Count > 0, cancellation);
            steps = UndisturbedRun.StatusOf(folder)?.Steps ?? 0;
            while (outcome.Events < options.Events)
            {
                // Half of what the remaining steps allow: joins take steps while they load.
                var spare = Math.Max(1, (steps - watch.LastStep) / (options.Events - outcome.Events));
                var threshold = watch.LastStep + (outcome.Events == 0 ? random.Next(0, 2) : random.Next(1, spare + 1));
                await Until(() => Completed || (watch.LastStep >= threshold && (Ready() || Scarce)), cancellation);
                if (Completed) break;
                DoOne(cancellation);
            }

            Say($"{outcome.Events} events are over; the run goes on to its end");
            await Until(() => Completed && silos.Frozen.Length == 0, cancellation);
            await Until(
                () => silos.Alive.Count == 0 && clientEnded,
                cancellation,
                Patience.Limit,
                "silos or the client did not end with the run"
            );
        }
        catch (StalledException stalled)
        {
            outcome.Stalled = stalled.Message;
            Say(stalled.Message);
        }
        finally
        {
            End();
        }

        watch.Read();
        outcome.CommittedStepsLost = watch.Lost.Count;
        outcome.StepsReplayed = watch.Terms.Sum(static term => term.Replayed);
        outcome.Replays = watch.Terms.Count(static term => term.Replayed > 0);
        outcome.Terms = watch.Terms.Count;
        return outcome;
    }

    public void Dispose() => End();

    private bool Completed => clientEnded && UndisturbedRun.StatusOf(folder)?.State == RunState.Completed;

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

    private void DoOne(CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        var seated = silos.Seated;
        // A silo that has registered is alive, and still waits for its place.
        var all = silos.Alive.Count + outcome.Pending.Count(pending => silos.Alive.All(silo => silo.Pid != pending.Process.Id));
        var kill = Allowed("kill", seated.Length switch { > 2 => 50, 2 => 20, _ => 3 });
        var freeze = Allowed("freeze", seated.Length switch { > 2 => 20, 2 => 10, _ => 3 });
        var join = Allowed("join", all > options.Silos ? 0 : seated.Length > 2 ? 30 : 70);
        if (kill + freeze + join == 0) return;
        var draw = random.Next(kill + freeze + join);
        if (draw < kill)
        {
            Kill(random);
            // Now and then the next one while the first loss is being mended.
            if (outcome.Events < options.Events && silos.Seated.Length > 2 && random.Next(8) == 0) Kill(random);
        }
        else if (draw < kill + freeze)
        {
            Freeze(Pick(random));
        }
        else
        {
            Join();
        }
    }

    private int Allowed(string kind, int weight) => options.Kinds.Contains(kind) ? weight : 0;

    private SiloProcess Pick(Random draw)
    {
        var running = silos.Running.OrderBy(static silo => silo.Name, StringComparer.Ordinal).ToArray();
        return running[draw.Next(running.Length)];
    }

    private void Kill(Random draw)
    {
        var silo = Pick(draw);
        var term = watch.Terms[^1].Counter;
        outcome.Kills.Add(
            new KillRecord(silo.Name, silo.Seated, term, TimeProvider.System.GetTimestamp())
            {
                Left = silos.Seated.Count(other => other != silo),
            }
        );
        Signals.Kill(silo.Pid);
        Say(
            $"step {watch.LastStep}: SIGKILL {silo.Name} ({silo.Pid}, {(silo.Seated ? "seated" : "not seated yet")}); "
                + $"{silos.Running.Length - 1} others run"
        );
        silos.Refresh(watch.Terms[^1]);
    }

    private void Freeze(SiloProcess silo)
    {
        // Short ones nobody need notice; during long ones it is declared dead, and ends itself when it wakes up.
        var seconds = random.Next(2) == 0 ? 0.2 + (1.3 * random.NextDouble()) : 3 + (5 * random.NextDouble());
        silo.WakeAt = TimeProvider.System.GetTimestamp() + (long)(seconds * TimeProvider.System.TimestampFrequency);
        Signals.Stop(silo.Pid);
        outcome.Freezes++;
        Say(string.Create(CultureInfo.InvariantCulture, $"step {watch.LastStep}: SIGSTOP {silo.Name} ({silo.Pid}) for {seconds:0.0} s"));
    }

    private void Join()
    {
        // A new process under the name of a dead one must not be taken for it.
        var free = silos.FreeNames.Except(outcome.Pending.Select(static pending => pending.Name)).ToArray();
        var name =
            free.Length > 0 && random.Next(2) == 0
                ? free[random.Next(free.Length)]
                : string.Create(CultureInfo.InvariantCulture, $"joined-{outcome.Joins}");
        var process = programs.Join(folder, name);
        joined.Add(process);
        outcome.Joins++;
        outcome.Pending.Add((process, name));
        Say($"step {watch.LastStep}: {name} ({process.Id}) joins{(free.Contains(name) ? ", under the name of a dead silo" : "")}");
    }

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
                        + $"{folder}/logs and {clientLog}"
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
            foreach (var kill in outcome.Kills.Where(static kill => kill is { Seated: true, Recovery: null }))
            {
                // A line of the term it died in was on its way already; recovery has come with the first of a later one.
                if (!fresh.Any(line => line.Term > kill.Term)) continue;
                kill.Recovery = TimeProvider.System.GetElapsedTime(kill.At, now).TotalSeconds;
                Say(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"step {watch.LastStep}: recovered from the loss of {kill.Silo} after {kill.Recovery:0.00} s"
                    )
                );
            }
        }

        silos.Refresh(watch.Terms.LastOrDefault());
        foreach (var silo in silos.Frozen.Where(silo => silo.WakeAt <= now))
        {
            Signals.Continue(silo.Pid);
            silo.WakeAt = null;
            Say($"step {watch.LastStep}: SIGCONT {silo.Name} ({silo.Pid})");
        }

        LookAtPending();
        LookAtClient(now);
    }

    private void LookAtPending()
    {
        foreach (var (process, name) in outcome.Pending.ToArray())
        {
            if (silos.EverSeated.Contains(process.Id))
                outcome.JoinsSeated++;
            else if (!process.HasExited)
                continue;
            else
                Say($"{name} ({process.Id}) has ended and was never seated");
            outcome.Pending.Remove((process, name));
        }
    }

    /// <summary>Without a client and without silos nothing goes on by itself: it is resumed, as a user would.</summary>
    private void LookAtClient(long now)
    {
        if (!clientEnded && client.HasExited)
        {
            clientEnded = true;
            var state = UndisturbedRun.StatusOf(folder)?.State;
            if (state == RunState.Completed) return;
            outcome.ClientExits++;
            Say(
                $"step {watch.LastStep}: the client has ended (exit code {client.ExitCode}, run {state}) with {silos.Alive.Count} "
                    + "silos alive"
            );
        }

        if (
            !clientEnded
            || silos.Alive.Count > 0
            || outcome.Pending.Any(static pending => !pending.Process.HasExited)
            || UndisturbedRun.StatusOf(folder)?.State == RunState.Completed
        )
            return;
        if (resumedAt == watch.LastStep && outcome.Resumes > 3)
            throw new StalledException($"resumed without progress after step {watch.LastStep}: see {clientLog}");
        resumedAt = watch.LastStep;
        outcome.Resumes++;
        Say($"step {watch.LastStep}: no silo is left; resume");
        client.Dispose();
        client = programs.Resume(folder, options.Silos, clientLog);
        clientEnded = false;
        progressed = now;
    }

    /// <summary>Leaves nothing running.</summary>
    private void End()
    {
        if (!client.HasExited) client.Kill();
        silos.Refresh(null);
        foreach (var silo in silos.Alive) Signals.Kill(silo.Pid);
        foreach (var process in joined.Where(static process => !process.HasExited)) process.Kill();
        eventLog.Dispose();
    }

    private void Say(string text) => eventLog.WriteLine(Narration.Say(text));

    private sealed class StalledException(string message) : Exception(message);
}
