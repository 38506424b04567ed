using System.Diagnostics;
using System.Globalization;

namespace Peft.Orleans.Chaos;

/// <summary>What is done to a run's silos, drawn at random: kills, freezes, joins.</summary>
internal sealed class Disturbances(
    PeftPrograms programs,
    ChaosOptions options,
    Random random,
    SiloSet silos,
    RunWatch watch,
    EventLog events,
    ChaosOutcome outcome) : IDisposable
{
    private readonly List<Process> joined = [];

    /// <summary>One event of a kind that the run's state allows, or none; now and then two kills.</summary>
    internal void DoOne()
    {
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
            Kill();
            // Now and then the next one while the first loss is being mended.
            if (outcome.Events < options.Events && silos.Seated.Length > 2 && random.Next(8) == 0) Kill();
        }
        else if (draw < kill + freeze)
        {
            Freeze();
        }
        else
        {
            Join();
        }
    }

    /// <summary>Lets silos go on whose time is over.</summary>
    internal void Wake(long now)
    {
        foreach (var silo in silos.Frozen.Where(silo => silo.WakeAt <= now))
        {
            Signals.Continue(silo.Pid);
            silo.WakeAt = null;
            events.Say($"step {watch.LastStep}: SIGCONT {silo.Name} ({silo.Pid})");
        }
    }

    /// <summary>Sees which of the silos that join have got a place in a plan, or ended without one.</summary>
    internal void LookAtPending()
    {
        foreach (var (process, name) in outcome.Pending.ToArray())
        {
            if (silos.EverSeated.Contains(process.Id))
                outcome.JoinsSeated++;
            else if (!process.HasExited)
                continue;
            else
                events.Say($"{name} ({process.Id}) has ended and was never seated");
            outcome.Pending.Remove((process, name));
        }
    }

    public void Dispose()
    {
        foreach (var process in joined.Where(static process => !process.HasExited)) process.Kill();
    }

    private int Allowed(string kind, int weight) => options.Kinds.Contains(kind) ? weight : 0;

    private SiloProcess Pick()
    {
        var running = silos.Running.OrderBy(static silo => silo.Name, StringComparer.Ordinal).ToArray();
        return running[random.Next(running.Length)];
    }

    private void Kill()
    {
        var silo = Pick();
        var term = watch.Terms[^1].Counter;
        outcome.Kills.Add(
            new KillRecord(silo.Name, silo.Seated, term, TimeProvider.System.GetTimestamp())
            {
                Left = silos.Seated.Count(other => other != silo),
            }
        );
        Signals.Kill(silo.Pid);
        events.Say(
            $"step {watch.LastStep}: SIGKILL {silo.Name} ({silo.Pid}, {(silo.Seated ? "seated" : "not seated yet")}); "
                + $"{silos.Running.Length - 1} others run"
        );
        silos.Refresh(watch.Terms[^1]);
    }

    private void Freeze()
    {
        var silo = Pick();
        // Short ones nobody need notice; during long ones it is declared dead, and ends itself when it wakes up.
        var seconds = random.Next(2) == 0 ? 0.2 + (1.3 * random.NextDouble()) : 3 + (5 * random.NextDouble());
        silo.WakeAt = TimeProvider.System.GetTimestamp() + (long)(seconds * TimeProvider.System.TimestampFrequency);
        Signals.Stop(silo.Pid);
        outcome.Freezes++;
        events.Say(
            string.Create(CultureInfo.InvariantCulture, $"step {watch.LastStep}: SIGSTOP {silo.Name} ({silo.Pid}) for {seconds:0.0} s")
        );
    }

    private void Join()
    {
        // A new process under the name of a dead one must not be taken for it.
        var free = silos.FreeNames.Except(outcome.Pending.Select(static pending => pending.Name)).ToArray();
        var name =
            free.Length > 0 && random.Next(2) == 0
                ? free[random.Next(free.Length)]
                : string.Create(CultureInfo.InvariantCulture, $"joined-{outcome.Joins}");
        var process = programs.Join(outcome.Folder, name);
        joined.Add(process);
        outcome.Joins++;
        outcome.Pending.Add((process, name));
        events.Say($"step {watch.LastStep}: {name} ({process.Id}) joins{(free.Contains(name) ? ", under the name of a dead silo" : "")}");
    }
}
