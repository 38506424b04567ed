using Peft.Orleans.Core;

namespace Peft.Orleans.Grains.Terms;

/// <summary>Compares the bytes of a layer's version between its seats: different ones stop the run, loudly.</summary>
internal sealed class SeatComparison(string runId)
{
    private readonly Dictionary<(int Step, int Layer), string> hashes = [];

    /// <summary>Takes the hashes that a silo reports of a version, by layer.</summary>
    /// <exception cref="PeftException">A layer has another hash than on the seat that reported before.</exception>
    internal void Take(int step, Dictionary<int, string> reported)
    {
        foreach (var (layer, hash) in reported)
        {
            var compared = hashes.TryGetValue((step, layer), out var known);
            if (compared) RunInstruments.Compared(runId, equal: known == hash);
            if (compared && known != hash)
            {
                throw new PeftException(
                    $"layer {layer} differs between its seats after step {step}; the silos do not compute the same bits "
                    + "(different hardware or thread numbers?)");
            }

            hashes[(step, layer)] = hash;
        }

        foreach (var old in hashes.Keys.Where(key => key.Step < step).ToArray()) hashes.Remove(old);
    }
}
