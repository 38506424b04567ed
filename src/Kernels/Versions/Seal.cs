using System.IO.Hashing;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Versions;

/// <summary>
/// What the bytes of a tensor were when it was made, so that a bit that changes while it waits in memory is found before anything is
/// computed with it. Of tensors on the CPU only: a GPU's memory corrects single bits itself.
/// </summary>
public readonly record struct Seal
{
    private const int LargestSpan = 1 << 30;

    private readonly ulong? hash;

    private Seal(ulong hash) => this.hash = hash;

    /// <summary>Seals a contiguous tensor.</summary>
    public static Seal Of(Tensor tensor) =>
        tensor.device_type == DeviceType.CPU && tensor.is_contiguous() ? new Seal(Hash(tensor)) : default;

    /// <summary>The tensor has the bytes it had.</summary>
    /// <param name="tensor">The tensor that was sealed.</param>
    /// <param name="what">What it is, for people.</param>
    /// <exception cref="DamagedMemoryException">It has others.</exception>
    public void Require(Tensor tensor, string what)
    {
        if (hash is { } made && made != Hash(tensor)) throw new DamagedMemoryException(what);
    }

    private static ulong Hash(Tensor tensor)
    {
        var (total, element) = (tensor.numel(), tensor.element_size());
        if (total == 0) return 0;
        if (total * element <= LargestSpan) return XxHash3.HashToUInt64(tensor.bytes);
        var hash = new XxHash3();
        using var flat = tensor.view(-1);
        for (var done = 0L; done < total;)
        {
            var count = Math.Min(total - done, LargestSpan / element);
            using var part = flat.narrow(0, done, count);
            hash.Append(part.bytes);
            done += count;
        }

        return hash.GetCurrentHashAsUInt64();
    }
}

/// <summary>Bytes in this process's memory are not those that were computed: a bit has changed meanwhile.</summary>
public sealed class DamagedMemoryException(string what) : Exception($"{what} has changed in memory since it was computed");
