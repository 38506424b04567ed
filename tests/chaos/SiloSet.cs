using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Chaos;

/// <summary>A silo process of the run.</summary>
internal sealed class SiloProcess(string name, int pid, int term)
{
    internal string Name => name;

    internal int Pid => pid;

    /// <summary>Term in force when a process took over a known name: what seats this one comes later. Below any for a new name.</summary>
    internal int SeenIn => term;

    /// <summary>When a frozen one is to go on; null: not frozen.</summary>
    internal long? WakeAt { get; set; }

    internal bool Seated { get; set; }
}

/// <summary>The silos of the run's cluster by their registrations: which live, are frozen, have a place in the plan.</summary>
internal sealed class SiloSet(string runFolder)
{
    private readonly string clusterFolder = new RunFolder(runFolder).Cluster;
    private readonly Dictionary<int, SiloProcess> silos = [];
    private readonly HashSet<string> known = [];

    internal IReadOnlyCollection<SiloProcess> Alive => silos.Values;

    internal SiloProcess[] Running => [.. silos.Values.Where(static silo => silo.WakeAt is null)];

    internal SiloProcess[] Seated => [.. silos.Values.Where(static silo => silo is { WakeAt: null, Seated: true })];

    internal SiloProcess[] Frozen => [.. silos.Values.Where(static silo => silo.WakeAt is not null)];

    /// <summary>Pids of silos that had a place in a plan at any time.</summary>
    internal HashSet<int> EverSeated { get; } = [];

    /// <summary>Names that no living silo bears any more.</summary>
    internal string[] FreeNames => [.. known.Except(silos.Values.Select(static silo => silo.Name)).Order(StringComparer.Ordinal)];

    /// <summary>Looks at registrations and processes.</summary>
    internal void Refresh(TermLine? term)
    {
        var registrations = Registrations();
        foreach (var registration in registrations)
        {
            if (!silos.ContainsKey(registration.Pid) && Signals.IsSilo(registration.Pid, runFolder))
                silos[registration.Pid] = new SiloProcess(
                    registration.Name,
                    registration.Pid,
                    known.Add(registration.Name) ? -1 : term?.Counter ?? -1
                );
        }

        foreach (var silo in silos.Values.ToArray())
        {
            if (!Signals.IsSilo(silo.Pid, runFolder))
            {
                silos.Remove(silo.Pid);
                continue;
            }

            // A name may have been used before: only a later plan can mean this process.
            silo.Seated = term is not null && term.Counter > silo.SeenIn && term.Silos.Contains(silo.Name);
            if (silo.Seated) EverSeated.Add(silo.Pid);
        }
    }

    private IReadOnlyList<SiloRegistration> Registrations()
    {
        try
        {
            return SiloRegistration.ReadAll(clusterFolder);
        }
        catch (IOException)
        {
            // A new cluster is just removing what the former one has left.
            return [];
        }
    }
}
