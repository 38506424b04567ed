using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Torch;

/// <summary>Random tensors as pure functions of what they are for, so that every silo draws the same.</summary>
internal static class SeededRandom
{
    /// <summary>Normal(0, <paramref name="deviation"/>), fp32 on the CPU.</summary>
    internal static Tensor Normal(long seed, string name, long[] shape, double deviation)
    {
        using var generator = new Generator(Mix((ulong)seed, Hash(name)));
        return randn(shape, ScalarType.Float32, CPU, generator: generator).mul_(Held(deviation));
    }

    /// <summary>Uniform in [−<paramref name="bound"/>, <paramref name="bound"/>), fp32 on the CPU.</summary>
    internal static Tensor Uniform(long seed, string name, long[] shape, double bound)
    {
        using var generator = new Generator(Mix((ulong)seed, Hash(name)));
        return rand(shape, ScalarType.Float32, CPU, generator: generator).mul_(Held(2 * bound)).sub_(Held(bound));
    }

    /// <summary>
    /// A dropout mask: 1 / (1 − p) where kept, else 0. A function of the microbatch's place in the run and of the module, drawn again in
    /// the backward pass.
    /// </summary>
    internal static Tensor DropoutMask(
        long seed,
        int step,
        int microbatch,
        string module,
        long[] shape,
        double probability,
        ScalarType type,
        Device device)
    {
        using var generator = new Generator(Mix(Mix(Mix((ulong)seed, Hash(module)), (ulong)step), (ulong)microbatch));
        var kept = rand(shape, ScalarType.Float32, CPU, generator: generator).ge(Held(probability));
        return kept.to(ScalarType.Float32).div_(Held(1 - probability)).to(type).to(device);
    }

    private static ulong Hash(string name) => XxHash64.HashToUInt64(Encoding.UTF8.GetBytes(name));

    private static ulong Mix(ulong a, ulong b)
    {
        ReadOnlySpan<ulong> pair = [a, b];
        return XxHash64.HashToUInt64(MemoryMarshal.AsBytes(pair));
    }
}
