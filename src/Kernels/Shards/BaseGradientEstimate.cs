using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Shards;

/// <summary>
/// Gradient of a layer's frozen weights summed over samples, fp32, one <c>[out, in]</c> matrix for each adapted module: what LoRA-GA's
/// initialisation needs (Eq. 7). Samples are added in the order of their passes.
/// </summary>
public sealed class BaseGradientEstimate : IDisposable
{
    private readonly Dictionary<string, Tensor> sums = new(StringComparer.Ordinal);
    private readonly HashSet<int> samples = [];

    /// <summary>Number of samples in the sums.</summary>
    public int Samples => samples.Count;

    /// <summary>Bytes held.</summary>
    public long Bytes => sums.Values.Sum(static sum => sum.numel() * 4);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var sum in sums.Values) sum.Dispose();
        sums.Clear();
        samples.Clear();
    }

    /// <summary>Whether this sample is new; one that was counted before must not be added again.</summary>
    internal bool Begin(int sample) => samples.Add(sample);

    /// <summary>The sum of a module, zero at first.</summary>
    internal Tensor Sum(string module, long rows, long columns, Device device)
    {
        if (!sums.TryGetValue(module, out var sum))
            sums[module] = sum = zeros([rows, columns], float32, device).DetachFromDisposeScope();
        return sum;
    }

    /// <summary>The mean gradient of a module, or null when no sample was added; owned by the caller's scope.</summary>
    internal Tensor? Mean(string module) => Samples > 0 && sums.TryGetValue(module, out var sum) ? sum.div((double)Samples) : null;
}
