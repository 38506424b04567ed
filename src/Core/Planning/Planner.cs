using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Core.Planning;

/// <summary>A live silo as the plan sees it.</summary>
/// <param name="Silo">The silo.</param>
/// <param name="Loaded">Layers whose base weights it holds: seats are kept where their weights are.</param>
/// <param name="MemoryBytes">Memory of its device, or of its machine, which other silos may share.</param>
/// <param name="TakesSeats">Whether layers may be seated on it; else it only gives what it holds.</param>
public sealed record SiloInventory(
    PlannedSilo Silo, IReadOnlyCollection<int> Loaded, long MemoryBytes = long.MaxValue, bool TakesSeats = true)
{
    /// <summary>A silo that has loaded nothing.</summary>
    public SiloInventory(PlannedSilo silo) : this(silo, []) { }

    /// <summary>The machine it is on.</summary>
    public string Host => Silo.Endpoint.Host;
}

/// <summary>What the run file says about the plan.</summary>
/// <param name="MaxSilos">Silos with an active seat, at most.</param>
/// <param name="Replicas">Replicas wanted; null: as many as the silos allow.</param>
/// <param name="MinStages">Silos that one pipeline needs for its memory.</param>
/// <param name="Microbatches">Microbatches of a step: more replicas would have nothing to do.</param>
public sealed record PlanOptions(int MaxSilos, int? Replicas = 1, int MinStages = 1, int Microbatches = int.MaxValue)
{
    /// <summary>Whether every layer gets a second place.</summary>
    public bool Protect { get; init; } = true;
}

/// <summary>Makes the plan: a pure function of inventory, model and run file.</summary>
public static class Planner
{
    /// <summary>
    /// Replicas of a pipeline over contiguous parts of the layers, cut so that the slowest silo's share is as small as possible. Silos that
    /// are left stand by: they keep the passive seats and load base weights. With one replica every layer has a passive seat on another
    /// silo.
    /// </summary>
    public static SeatPlan Plan(IReadOnlyCollection<SiloInventory> inventory, PlanModel model, PlanOptions options)
    {
        var everyone = inventory.OrderBy(static silo => silo.Silo.Name, StringComparer.Ordinal).ToArray();
        var silos = everyone.Where(static silo => silo.TakesSeats).ToArray();
        if (silos.Length == 0) throw new PeftException("no silo that takes seats is alive; start at least one peft-silo");
        var layers = model.LayerCosts.Length;
        var usable = Math.Min(silos.Length, options.MaxSilos);
        var replicas = Math.Clamp(
            options.Replicas ?? usable / Math.Max(1, options.MinStages),
            1,
            Math.Min(usable, Math.Max(1, options.Microbatches))
        );
        // With a fixed number of replicas all silos share the work; else a pipeline has the silos it needs and the rest are replicas.
        var stages = Math.Clamp(options.Replicas is null ? options.MinStages : usable / replicas, 1, Math.Min(layers, usable / replicas));
        var bounds = Partition(model.LayerCosts, stages);
        var parts = Enumerable
            .Range(0, stages)
            .Select(part => Enumerable.Range(bounds[part], bounds[part + 1] - bounds[part]).ToArray())
            .ToArray();
        var placed = Place(silos, parts, replicas);
        var seats = new List<Seat>();
        for (var replica = 0; replica < replicas; replica++)
        {
            for (var part = 0; part < stages; part++)
                seats.AddRange(parts[part].Select(layer => new Seat(layer, replica, placed[(replica * stages) + part].Name, Active: true)));
        }

        var standbys = silos.Select(static silo => silo.Silo.Name).Except(placed.Select(static silo => silo.Name)).ToArray();
        if (replicas == 1 && options.Protect) seats.AddRange(Passive(parts, placed, standbys));
        return new SeatPlan
        {
            Silos = [.. everyone.Select(static silo => silo.Silo)],
            Seats = [.. seats],
            Layers = layers,
            Replicas = replicas,
            Positions = model.Positions,
            Preloads =
            [
                .. standbys.Select(
                    (silo, i) => new Preload(silo, [.. Enumerable.Range(0, stages).SelectMany(k => parts[(i + k) % stages])])
                ),
            ],
        };
    }

    /// <summary>
    /// Bounds of <paramref name="parts"/> contiguous, non-empty ranges whose largest sum is minimal (first such split from the left).
    /// </summary>
    public static int[] Partition(IReadOnlyList<double> costs, int parts)
    {
        var n = costs.Count;
        if (parts < 1 || parts > n) throw new ArgumentOutOfRangeException(nameof(parts), $"{n} layers cannot make {parts} non-empty parts");
        var prefix = new double[n + 1];
        for (var i = 0; i < n; i++) prefix[i + 1] = prefix[i] + costs[i];
        var best = new double[parts + 1, n + 1];
        var cut = new int[parts + 1, n + 1];
        for (var p = 0; p <= parts; p++)
            for (var i = 0; i <= n; i++) best[p, i] = double.PositiveInfinity;
        best[0, 0] = 0;
        for (var p = 1; p <= parts; p++)
        {
            for (var i = p; i <= n; i++)
            {
                for (var j = p - 1; j < i; j++)
                {
                    var value = Math.Max(best[p - 1, j], prefix[i] - prefix[j]);
                    if (value < best[p, i])
                    {
                        best[p, i] = value;
                        cut[p, i] = j;
                    }
                }
            }
        }

        var bounds = new int[parts + 1];
        bounds[parts] = n;
        for (var p = parts; p > 0; p--) bounds[p - 1] = cut[p, bounds[p]];
        return bounds;
    }

    /// <summary>
    /// The silo of each (replica, part): where most of its weights are loaded; of equals, the one that has loaded least besides, then the
    /// first in order of name. So a loss moves only the lost silo's layers.
    /// </summary>
    private static PlannedSilo[] Place(SiloInventory[] silos, int[][] parts, int replicas)
    {
        var places = replicas * parts.Length;
        var candidates = from place in Enumerable.Range(0, places)
                         from silo in Enumerable.Range(0, silos.Length)
                         let overlap = parts[place % parts.Length].Count(silos[silo].Loaded.Contains)
                         orderby overlap descending, silos[silo].Loaded.Count - overlap, place, silo
                         select (place, silo);
        var placed = new PlannedSilo?[places];
        var taken = new bool[silos.Length];
        foreach (var (place, silo) in candidates)
        {
            if (placed[place] is not null || taken[silo]) continue;
            placed[place] = silos[silo].Silo;
            taken[silo] = true;
        }

        return placed!;
    }

    /// <summary>A second place for each part: standbys in turn, else the next silo of the pipeline.</summary>
    private static IEnumerable<Seat> Passive(int[][] parts, PlannedSilo[] placed, string[] standbys)
    {
        if (standbys.Length == 0 && placed.Length == 1) yield break;
        for (var part = 0; part < parts.Length; part++)
        {
            var silo = standbys.Length > 0 ? standbys[part % standbys.Length] : placed[(part + 1) % placed.Length].Name;
            foreach (var layer in parts[part]) yield return new Seat(layer, 0, silo, Active: false);
        }
    }
}
