using Peft.Orleans.Kernels.Torch;

namespace Peft.Orleans.Architecture.Tests;

/// <summary>
/// The floors of docs/architecture.md: what stands on one uses nothing of those above it, in its signatures or in its code.
/// </summary>
public sealed class FloorsTests
{
    /// <summary>From below.</summary>
    private static readonly string[] Floors = ["Torch", "Loops", "Weights", "Versions", "Adapters", "Models", "Shards"];

    [Fact]
    public void None_uses_what_is_above_it()
    {
        var types = Product.Written("Kernels").Where(static type => FloorOf(type) >= 0).ToArray();
        Assert.Equal(Floors.Length, types.Select(FloorOf).Distinct().Count());
        Broken.None(types.SelectMany(static type => Dependencies.Used(type)
            .Where(other => FloorOf(other) > FloorOf(type))
            .Select(other => $"{type.FullName} uses {other.FullName}")));
    }

    /// <summary>The sight of all these tests: a method's code counts, not its signature alone.</summary>
    [Fact]
    public void What_a_method_calls_is_seen() => Assert.Contains(typeof(TorchRuntime), Dependencies.Used(typeof(Caller)));

    private static int FloorOf(Type type) => Product.RoomOf("Kernels", type) is { } room ? Array.IndexOf(Floors, room) : -1;

    private static class Caller
    {
        internal static object Threads() => TorchRuntime.Threads;
    }
}
