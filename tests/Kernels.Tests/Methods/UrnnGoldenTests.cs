using System.Text.Json;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Data.Adapters;
using Peft.Orleans.Data.SafeTensors;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Adapters.Urnn;
using Peft.Orleans.Kernels.Tests.Goldens;
using Peft.Orleans.Kernels.Weights;
using Peft.Orleans.Tests;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Methods;

public class UrnnGoldenTests
{
    [Fact]
    public void Structured_by_equation_10()
    {
        var golden = new Golden("urnn-structured");
        using var scope = NewDisposeScope();
        var spec = Specs.Of(
            Path.Combine(golden.Folder, "base"),
            new MethodSpec { Name = MethodName.Urnn, TargetModules = ["q_proj", "v_proj", "down_proj"] }
        );
        using var pipeline = new LocalPipeline(spec);
        using var folder = new TemporaryFolder();
        WriteStart(folder.Path, golden);
        var adapter = AdapterTensors.Read(folder.Path);
        pipeline.Initialize(adapter);
        var initial = pipeline.Export();

        var all = Batches.Of(golden["input_ids"].select(0, 0), golden["labels"].select(0, 0));
        Compare.Within(pipeline.Logits(all), golden["logits_initial"], 2e-5);
        var (_, gradients) = pipeline.Gradients(Batches.EachRow(golden["input_ids"].select(0, 0), golden["labels"].select(0, 0)));
        foreach (var key in golden.Names.Where(static key => key.Contains(".grad.")))
            Compare.Close(key, pipeline.Gradient(gradients, Slot(key, ".grad.")), golden[key], 2e-5);
        foreach (var gradient in gradients) gradient.Dispose();

        var losses = Golden.Numbers(golden.Training.GetProperty("losses"));
        var norms = Golden.Numbers(golden.Training.GetProperty("gradient_norms"));
        for (var step = 1; step <= losses.Length; step++)
        {
            var batches = Batches.EachRow(golden["input_ids"].select(0, step - 1), golden["labels"].select(0, step - 1));
            var (loss, norm, _) = pipeline.Step(step, batches, 1e-2);
            Assert.Equal(losses[step - 1], loss, step == 1 ? 5e-6 : 1e-5);
            Assert.Equal(norms[step - 1], norm, 1e-5 * norms[step - 1]);
        }

        var final = pipeline.Export();
        foreach (var key in golden.Names.Where(static key => key.Contains(".final.")))
        {
            var name = Slot(key, ".final.");
            var (error, way) = (Compare.Distance(final[name], golden[key]), Compare.Distance(golden[key], initial[name]));
            Assert.True(error <= 1e-3 * way, $"{key}: {error:E2} off after a way of {way:E2}");
        }

        Compare.Within(pipeline.Logits(all), golden["logits_final"], 5e-5);
        foreach (var tensor in initial.Values.Concat(final.Values)) tensor.Dispose();
    }

    [Theory]
    [InlineData(ScalarType.Float64, 1e-12)]
    [InlineData(ScalarType.Float32, 2e-5)]
    public void Dense_by_equations_11_and_12(ScalarType type, double limit)
    {
        using var scope = NewDisposeScope();
        var folder = SharedFolder.Require(Path.Combine("goldens", "urnn-dense"));
        var header = SafeTensorsHeader.Read(Path.Combine(folder, "reference.safetensors"));
        var reference = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "reference.json"))).RootElement;
        Tensor Read(string name) =>
            view_as_complex(
                tensor(
                        System.Runtime.InteropServices.MemoryMarshal.Cast<byte, double>(header.ReadBytes(name)).ToArray(),
                        header.Entries[name].Shape,
                        dtype: float64
                    )
                    .to(type)
            );
        void Same(Tensor actual, string name) =>
            Compare.Within(
                view_as_real(actual),
                view_as_real(Read(name)),
                limit * Math.Max(1, view_as_real(Read(name)).abs().max().to(float64).item<double>())
            );

        var (u, target) = (Read("U.0"), Read("target"));
        var losses = Golden.Numbers(reference.GetProperty("losses"));
        for (var step = 0; step < losses.Length; step++)
        {
            var g = u - target;
            Assert.Equal(
                losses[step],
                0.5 * view_as_real(g).to(float64).square().sum().item<double>(),
                Math.Max(limit, 1e-12) * losses[step]
            );
            Same(g, $"G.{step}");
            Same(UnitaryBlocks.Tangent(u, g), $"B.{step}");
            u = UnitaryBlocks.Step(u, g, reference.GetProperty("eta").GetDouble());
            Same(u, $"U.{step + 1}");
        }
    }

    private static string Slot(string key, string part) => $"base_model.model.{key.Replace(part, ".urnn_", StringComparison.Ordinal)}";

    /// <summary>An adapter folder in our format from the reference's start: θ = θ0.</summary>
    private static void WriteStart(string folder, Golden golden)
    {
        var tensors = new List<(string, Tensor)>();
        foreach (var key in golden.Names)
        {
            if (key.EndsWith(".permutation", StringComparison.Ordinal))
                tensors.Add(
                    ($"base_model.model.{key.Replace(".permutation", ".urnn_permutation", StringComparison.Ordinal)}", golden[key])
                );
            if (!key.Contains(".initial.", StringComparison.Ordinal))
                continue;
            tensors.Add((Slot(key, ".initial."), golden[key]));
            tensors.Add(($"{Slot(key, ".initial.")}_start", golden[key]));
        }

        TensorFile.Write(Path.Combine(folder, AdapterFolder.WeightsName), tensors);
        File.WriteAllText(Path.Combine(folder, AdapterFolder.ConfigName), """{"peft_type": "URNN", "method": {"name": "urnn"}}""");
    }
}
