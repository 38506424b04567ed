using System.Runtime.InteropServices;
using System.Text.Json;
using Peft.Orleans.Data.SafeTensors;
using Peft.Orleans.Tests;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Goldens;

/// <summary>A folder of reference values.</summary>
internal sealed class Golden
{
    private readonly SafeTensorsHeader header;

    internal Golden(string name, string file = "reference.safetensors")
    {
        Folder = SharedFolder.Require(Path.Combine("goldens", name));
        header = SafeTensorsHeader.Read(Path.Combine(Folder, file));
    }

    internal string Folder { get; }

    internal IEnumerable<string> Names => header.Entries.Keys;

    internal JsonElement Training => JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, "training.json"))).RootElement;

    internal Tensor this[string name]
    {
        get
        {
            var entry = header.Entries[name];
            var bytes = header.ReadBytes(name);
            return entry.Type == SafeTensorsType.I64
                ? tensor(MemoryMarshal.Cast<byte, long>(bytes).ToArray(), entry.Shape)
                : tensor(MemoryMarshal.Cast<byte, float>(bytes).ToArray(), entry.Shape);
        }
    }

    internal static double[] Numbers(JsonElement array) => [.. array.EnumerateArray().Select(static item => item.GetDouble())];
}

/// <summary>Comparisons with reference tensors.</summary>
internal static class Compare
{
    internal static double LargestDifference(Tensor actual, Tensor expected)
    {
        using var scope = NewDisposeScope();
        Assert.Equal(expected.numel(), actual.numel());
        return actual.to(ScalarType.Float64).reshape(-1).sub(expected.to(ScalarType.Float64).reshape(-1)).abs().max().item<double>();
    }

    internal static void Within(Tensor actual, Tensor expected, double limit)
    {
        var difference = LargestDifference(actual, expected);
        Assert.True(difference <= limit, $"differs by {difference:E2}, more than {limit:E2}");
    }

    internal static double Norm(Tensor value)
    {
        using var scope = NewDisposeScope();
        return Math.Sqrt(value.to(ScalarType.Float64).square().sum().item<double>());
    }

    internal static double Distance(Tensor a, Tensor b)
    {
        using var scope = NewDisposeScope();
        return Norm(a.to(ScalarType.Float64).reshape(-1).sub(b.to(ScalarType.Float64).reshape(-1)));
    }

    /// <summary>Each entry within <paramref name="relative"/> of the tensor's largest entry, with an absolute floor.</summary>
    internal static void Close(string name, Tensor actual, Tensor expected, double relative, double floor = 1e-7)
    {
        using var scope = NewDisposeScope();
        var largest = expected.abs().max().to(ScalarType.Float64).item<double>();
        var difference = LargestDifference(actual, expected);
        Assert.True(
            difference <= Math.Max(relative * largest, floor),
            $"{name}: differs by {difference:E2}; its largest entry is {largest:E2}"
        );
    }
}
