using System.Runtime.InteropServices;
using Peft.Orleans.Data.SafeTensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Goldens;

/// <summary>A Hybrid adapter folder in our format from the reference's initial A and B: A0 = A, B0 = B, θ = 0, λ = ½.</summary>
internal static class HybridAdapter
{
    internal static void Write(string folder, Golden golden, int layers)
    {
        var tensors = new List<SafeTensorsTensor>();
        void Add(string name, long[] shape, float[] values) =>
            tensors.Add(
                new SafeTensorsTensor(name, SafeTensorsType.F32, shape, stream => stream.Write(MemoryMarshal.AsBytes(values.AsSpan())))
            );
        foreach (var key in golden.Names.Where(static key => key.Contains(".initial.")))
        {
            var value = golden[key];
            var name = $"base_model.model.{key.Replace(".initial.", ".")}";
            var values = value.data<float>().ToArray();
            Add($"{name}.weight", value.shape, values);
            Add($"{name}0.weight", value.shape, values);
        }

        foreach (var key in golden.Names.Where(static key => key.EndsWith(".final.boft_theta", StringComparison.Ordinal)))
        {
            var shape = golden[key].shape;
            Add($"base_model.model.{key.Replace(".final.", ".")}", shape, new float[shape.Aggregate(1L, static (a, b) => a * b)]);
        }

        for (var layer = 0; layer < layers; layer++) Add($"base_model.model.model.layers.{layer}.lambda", [], [0.5f]);
        SafeTensorsWriter.Write(Path.Combine(folder, "adapter_model.safetensors"), tensors);
        File.WriteAllText(Path.Combine(folder, "adapter_config.json"), """{"peft_type": "HYBRID", "method": {"name": "hybrid"}}""");
    }
}
