using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Grains.Terms;

/// <summary>
/// Compares the bytes of a layer's version between its seats. Where they differ a third computation decides who was wrong: another seat,
/// or the step made again; without one the run stops, loudly.
/// </summary>
internal sealed class SeatComparison(TermContext term)
{
    private readonly SortedDictionary<int, Dictionary<string, string>> hashes = [];
    private int step = -1;

    /// <summary>Takes the hashes that a silo reports of a step's versions, by layer.</summary>
    internal void Take(int of, string silo, Dictionary<int, string> reported)
    {
        if (of != step) hashes.Clear();
        step = of;
        foreach (var (layer, hash) in reported)
        {
            if (!hashes.TryGetValue(layer, out var said)) hashes[layer] = said = new(StringComparer.Ordinal);
            if (said.Count > 0) term.Figures.Elastic.Compared(equal: said.ContainsValue(hash));
            said[silo] = hash;
        }
    }

    /// <summary>Takes the hashes of copies that have arrived, by layer: those of the seats they came from.</summary>
    internal void Copied(int version, Dictionary<int, string> copies)
    {
        if (version != step) return;
        foreach (var (layer, hash) in copies)
        {
            if (hashes.TryGetValue(layer, out var said)) term.Figures.Elastic.Compared(equal: said.ContainsValue(hash));
        }
    }

    /// <summary>All silos have reported a step.</summary>
    /// <exception cref="FaultySiloException">A silo differs from the majority, or from what it said before.</exception>
    /// <exception cref="SeatsDifferException">Silos differ, and the step is to be made again.</exception>
    /// <exception cref="PeftException">Silos differ again, and there is no majority.</exception>
    internal void Judge()
    {
        foreach (var (layer, now) in hashes)
        {
            var before = term.SaidOf(layer, step);
            switch (SeatVerdict.Of(now, before))
            {
                case SeatVerdict.Wrong wrong:
                    throw new FaultySiloException(
                        wrong.Silos,
                        $" computed other bytes of layer {layer} in step {step} than the others, or than when the step was made again");
                case SeatVerdict.Again:
                    throw new SeatsDifferException($"{Differs(layer)} ({Said(now)}): the step is made again to tell which silo is wrong");
                case SeatVerdict.Undecided:
                    throw new PeftException(
                        $"{Differs(layer)}, and again when it was made again ({Said(before)}, then {Said(now)}); the silos do not compute "
                        + "the same bits (different hardware or thread numbers?), and there is no third to tell which of them is wrong: "
                        + "add one, or leave one out, and resume the run");
            }
        }
    }

    private string Differs(int layer) => $"layer {layer} differs between its seats after step {step}";

    private static string Said(Dictionary<string, string> hashes) => string.Join(
        ", ", hashes.OrderBy(static said => said.Key, StringComparer.Ordinal).Select(static said => $"{said.Key}: {said.Value}"));
}
