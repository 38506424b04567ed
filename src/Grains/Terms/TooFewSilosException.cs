using Peft.Orleans.Core.Planning;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Grains.Terms;

/// <summary>Fewer silos take seats than <c>elastic.min_silos</c> asks for: the run waits for others.</summary>
internal sealed class TooFewSilosException(int silos) : Exception($"{silos} silos take seats")
{
    /// <summary>How many there are.</summary>
    internal int Silos => silos;

    /// <summary>Whether there are enough, and at least one.</summary>
    internal static bool Enough(IEnumerable<SiloInventory> silos, RunSpec spec) => Seats(silos) >= Math.Max(1, spec.Elastic.MinSilos);

    /// <exception cref="TooFewSilosException">There are not enough.</exception>
    internal static void Check(IReadOnlyCollection<SiloInventory> silos, RunSpec spec)
    {
        if (!Enough(silos, spec)) throw new TooFewSilosException(Seats(silos));
    }

    private static int Seats(IEnumerable<SiloInventory> silos) => silos.Count(static silo => silo.TakesSeats);
}
