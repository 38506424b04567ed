using System.Runtime.InteropServices;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Torch;

public class TorchRuntimeTests
{
    private const string Library = "libLibTorchSharp.so";
    private const string Version = "GLIBCXX_3.4.32";

    [Fact]
    public void The_native_library_in_the_output_asks_weakly_for_what_older_systems_lack()
    {
        Assert.True(ElfVersionNeed.IsWeak(Path.Combine(AppContext.BaseDirectory, Library), Version));
    }

    [Fact]
    public void Weakening_is_idempotent_and_leaves_a_hard_linked_original_alone()
    {
        using var folder = new TemporaryFolder();
        var original = Path.Combine(folder.Path, "original.so");
        var linked = Path.Combine(folder.Path, Library);
        var bytes = File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, Library));
        // The output's file is weak already: make the requirement strong again, as the package has it.
        File.WriteAllBytes(original, bytes);
        Strengthen(original);
        Assert.False(ElfVersionNeed.IsWeak(original, Version));
        Assert.Equal(0, Link(original, linked));

        Assert.True(ElfVersionNeed.Weaken(linked, Version));
        Assert.True(ElfVersionNeed.IsWeak(linked, Version));
        Assert.False(ElfVersionNeed.IsWeak(original, Version));
        Assert.Equal(bytes, File.ReadAllBytes(linked));
        Assert.False(ElfVersionNeed.Weaken(linked, Version));
        Assert.Equal(2, Directory.GetFiles(folder.Path).Length);
    }

    [Fact]
    public void Only_linux_libraries_are_in_the_output()
    {
        var files = Directory.GetFiles(AppContext.BaseDirectory, "*", SearchOption.AllDirectories).Select(Path.GetFileName).ToArray();
        Assert.Contains("libtorch_cpu.so", files);
        Assert.DoesNotContain(
            files,
            static file => file!.EndsWith(".dylib", StringComparison.Ordinal) || file is "torch_cpu.dll" or "LibTorchSharp.dll");
        Assert.False(Directory.Exists(Path.Combine(AppContext.BaseDirectory, "cpu")), "TorchSharp fell back to copying its libraries");
    }

    [Fact]
    public void Products_are_native_only_where_the_device_multiplies_the_type_fast()
    {
        Assert.Equal(ProductType.Native, TorchRuntime.ProductsOf(WeightType.Float32));
        Assert.Equal(
            TorchRuntime.Device.type != DeviceType.CPU ? ProductType.Native : Processor.Products(WeightType.BFloat16),
            TorchRuntime.ProductsOf(WeightType.BFloat16));
    }

    [Fact]
    public void A_refused_operation_is_an_exception_not_the_end_of_the_process()
    {
        using var scope = NewDisposeScope();
        var (a, b) = (zeros(2, 3), zeros(4, 5));
        Assert.Throws<ExternalException>(() => a.mm(b));
        Assert.Throws<ExternalException>(() => Dispatcher.MatMul(a, b));
        Assert.Throws<ExternalException>(() => BatchedProducts.Add(zeros(2, 2), zeros(1, 2, 3), zeros(1, 2, 3), 1));
        Assert.Throws<ArgumentException>(() => Dispatcher.FusedAdamW(zeros(4), zeros(3), zeros(4), zeros(4), 1, 0.1, 0.9, 0.999, 0, 1e-8));
        Assert.Equal(6, Dispatcher.MatMul(a, ones(3, 3)).numel());
    }

    [Fact]
    public void Fused_AdamW_is_AdamW()
    {
        const int Count = 100;
        const double Rate = 0.01, Beta1 = 0.9, Beta2 = 0.99, Decay = 0.1, Epsilon = 1e-8;
        using var scope = NewDisposeScope();
        var random = new Random(1);
        var (p, m, v) = (new double[Count], new double[Count], new double[Count]);
        for (var i = 0; i < Count; i++) p[i] = random.NextDouble() - 0.5;
        var (parameters, first, second) = (tensor(p).to(float32), zeros(Count), zeros(Count));
        for (var step = 1; step <= 5; step++)
        {
            var g = Enumerable.Range(0, Count).Select(_ => random.NextDouble() - 0.5).ToArray();
            Dispatcher.FusedAdamW(parameters, tensor(g).to(float32), first, second, step, Rate, Beta1, Beta2, Decay, Epsilon);
            for (var i = 0; i < Count; i++)
            {
                p[i] *= 1 - (Rate * Decay);
                m[i] = (Beta1 * m[i]) + ((1 - Beta1) * g[i]);
                v[i] = (Beta2 * v[i]) + ((1 - Beta2) * g[i] * g[i]);
                p[i] -= Rate * (m[i] / (1 - Math.Pow(Beta1, step))) / (Math.Sqrt(v[i] / (1 - Math.Pow(Beta2, step))) + Epsilon);
            }
        }

        var actual = parameters.data<float>().ToArray();
        for (var i = 0; i < Count; i++) Assert.Equal(p[i], actual[i], 1e-6);
    }

    [Fact]
    public void Squared_norms_do_not_depend_on_threads_and_are_exact_to_float64()
    {
        using var scope = NewDisposeScope();
        var values = new float[100_003];
        var random = new Random(2);
        for (var i = 0; i < values.Length; i++) values[i] = (float)random.NextDouble() - 0.5f;
        var expected = values.Sum(static value => (double)value * value);
        var flat = tensor(values);
        var actual = FixedOrder.SquaredNorm(flat, 0, values.Length);
        Assert.Equal(expected, actual, 1e-9 * expected);
        Assert.Equal(actual, FixedOrder.SquaredNorm(values));
        Assert.Equal(0, FixedOrder.SquaredNorm(flat, 5, 0));
    }

    [Fact]
    public void Inplace_operations_return_the_same_object()
    {
        // Code here disposes views and chains in-place calls on that ground.
        using var scope = NewDisposeScope();
        var a = zeros(3);
        Assert.Same(a, a.add_(ones(3)));
        Assert.Same(a, a.copy_(ones(3)));
    }

    private static void Strengthen(string path)
    {
        // Clears the weak flag wherever the version's hash is followed by it.
        var bytes = File.ReadAllBytes(path);
        uint hash = 0;
        foreach (var c in Version)
        {
            hash = (hash << 4) + c;
            var high = hash & 0xf0000000;
            hash = (hash ^ (high >> 24)) & ~high;
        }

        for (var i = 0; i + 6 <= bytes.Length; i += 4)
        {
            if (BitConverter.ToUInt32(bytes, i) == hash && BitConverter.ToUInt16(bytes, i + 4) == 2) bytes[i + 4] = 0;
        }

        File.WriteAllBytes(path, bytes);
    }

    [DllImport("libc", EntryPoint = "link", CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    private static extern int Link(string existing, string created);
}
