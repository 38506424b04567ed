using Peft.Orleans.Core;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Versions;

public class VersionCodecTests
{
    private static readonly ParameterLayout Layout = new()
    {
        Trainable = [new ParameterSlot("a", [3, 7], 0)],
        Size = 32,
        OptimizerSize = 32,
        ConstantSize = 16,
        LambdaCount = 2,
    };

    [Fact]
    public void A_version_survives_its_file_and_equal_versions_give_equal_bytes()
    {
        using var folder = new TemporaryFolder();
        using var version = Filled(1);
        using var same = Filled(1);
        using var other = Filled(2);
        var path = Path.Combine(folder.Path, "layer-0001.safetensors");
        VersionCodec.Write(version, path);
        VersionCodec.Write(same, $"{path}.2");
        Assert.Equal(File.ReadAllBytes(path), File.ReadAllBytes($"{path}.2"));

        VersionCodec.Read(other, path);
        Assert.Equal(version.Step, other.Step);
        Assert.Equal(version.Lambda, other.Lambda);
        foreach (var ((_, a), (_, b)) in VersionCodec.Buffers(version).Zip(VersionCodec.Buffers(other)))
            Assert.True(a.eq(b).all().item<bool>());
        Assert.Equal(VersionCodec.Hash(version), VersionCodec.Hash(other));
    }

    [Fact]
    public void The_hash_covers_step_lambda_and_every_buffer()
    {
        using var version = Filled(1);
        var hashes = new HashSet<string> { VersionCodec.Hash(version) };
        version.Step++;
        Assert.True(hashes.Add(VersionCodec.Hash(version)));
        version.Lambda[1] += 1e-12;
        Assert.True(hashes.Add(VersionCodec.Hash(version)));
        foreach (var (_, buffer) in VersionCodec.Buffers(version))
        {
            buffer[buffer.numel() - 1] = tensor(3f);
            Assert.True(hashes.Add(VersionCodec.Hash(version)));
        }
    }

    [Fact]
    public void A_file_of_another_layout_is_refused_by_name()
    {
        using var folder = new TemporaryFolder();
        using var version = Filled(1);
        var path = Path.Combine(folder.Path, "layer.safetensors");
        VersionCodec.Write(version, path);
        using var larger = new LayerVersion(Layout with { Size = 48 }, CPU);
        var error = Assert.Throws<PeftException>(() => VersionCodec.Read(larger, path));
        Assert.Contains("parameters", error.Message);
        Assert.Contains(path, error.Message);
    }

    private static LayerVersion Filled(int seed)
    {
        var version = new LayerVersion(Layout, CPU) { Step = seed };
        var value = seed;
        foreach (var (_, buffer) in VersionCodec.Buffers(version)) buffer.fill_(0.1f * value++);
        version.Lambda[0] = 0.25 * seed;
        return version;
    }
}
