using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Core.Planning;

/// <summary>What the plan needs to know of the model.</summary>
/// <param name="LayerCosts">Relative time of each layer shard (embedding, blocks, head), in units of a block's products.</param>
/// <param name="Stages">Layer at each stage of the pipeline.</param>
public sealed record PlanModel(double[] LayerCosts, int[] Stages);

/// <summary>Makes the plan: a pure function of inventory, model and run file.</summary>
public static class Planner
{
    /// <summary>
    /// Seats the layers, contiguous and in order, on the silos in order of name, so that the slowest silo's share is as small as possible.
    /// Silos that would get no layer stay standby.
    /// </summary>
    public static SeatPlan Plan(IReadOnlyCollection<PlannedSilo> silos, PlanModel model, int maxSilos)
    {
        if (silos.Count == 0) throw new PeftException("no silo is alive; start at least one peft-silo");
        var ordered = silos.OrderBy(static silo => silo.Name, StringComparer.Ordinal).ToArray();
        var layers = model.LayerCosts.Length;
        var used = ordered.Take(Math.Min(Math.Min(ordered.Length, maxSilos), layers)).ToArray();
        var bounds = Partition(model.LayerCosts, used.Length);
        var seats = new List<Seat>(layers);
        for (var part = 0; part < used.Length; part++)
        {
            for (var layer = bounds[part]; layer < bounds[part + 1]; layer++)
                seats.Add(new Seat(layer, Replica: 0, used[part].Name, Active: true));
        }

        return new SeatPlan { Silos = ordered, Seats = [.. seats], Layers = layers, Replicas = 1, Stages = model.Stages };
    }

    /// <summary>Bounds of <paramref name="parts"/> contiguous, non-empty ranges whose largest sum is minimal (first such split from the left).</summary>
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
}
