using Peft.Orleans.Core;
using Peft.Orleans.Data.SafeTensors;

namespace Peft.Orleans.Data.Tests.SafeTensors;

public sealed class WeightFilesTests
{
    private const string Index = "model.safetensors.index.json";

    [Fact]
    public void FindsTensorsOfTheSingleFile()
    {
        using var folder = new TemporaryFolder();
        WriteOne(folder.File("model.safetensors"), "a");
        var weights = WeightFiles.Open(folder.Path);
        Assert.Equal(["a"], weights.Names);
        Assert.True(weights.TryFind("a", out var path, out var entry));
        Assert.Equal(folder.File("model.safetensors"), path);
        Assert.Equal(2, entry.Bytes);
        Assert.False(weights.TryFind("b", out _, out _));
    }

    [Fact]
    public void OpensOnlyTheShardsItIsAskedFor()
    {
        using var folder = new TemporaryFolder();
        WriteOne(folder.File("one"), "a");
        folder.Write("two", "damaged");
        folder.Write(Index, """{"weight_map":{"a":"one","b":"two","c":"three","d":"one"}}""");
        var weights = WeightFiles.Open(folder.Path);
        Assert.True(weights.TryFind("a", out var path, out _));
        Assert.Equal(folder.File("one"), path);
        AssertError(() => weights.TryFind("b", out _, out _), folder.File("two"), "too few");
        AssertError(() => weights.TryFind("c", out _, out _), folder.File("three"), "not found");
        AssertError(() => weights.TryFind("d", out _, out _), folder.File("one"), "'d' is not in this file");
    }

    [Theory]
    [InlineData("{}", "weight_map")]
    [InlineData("""{"weight_map":{}}""", "empty")]
    [InlineData("""{"weight_map":{"a":3}}""", "no file name")]
    [InlineData("""{"weight_map":{"a":"../b"}}""", "no file name")]
    [InlineData("{", "invalid JSON")]
    public void ABadIndexIsRefused(string index, string reason)
    {
        using var folder = new TemporaryFolder();
        folder.Write(Index, index);
        AssertError(() => WeightFiles.Open(folder.Path), folder.File(Index), reason);
    }

    [Fact]
    public void AFolderWithoutWeightsIsRefused()
    {
        using var folder = new TemporaryFolder();
        AssertError(() => WeightFiles.Open(folder.Path), folder.Path, "safetensors");
        AssertError(() => WeightFiles.Open(folder.File("no")), folder.File("no"), "not found");
    }

    private static void AssertError(Action action, params string[] parts)
    {
        var error = Assert.Throws<PeftException>(action);
        Assert.All(parts, part => Assert.Contains(part, error.Message, StringComparison.Ordinal));
    }

    private static void WriteOne(string path, string name) =>
        SafeTensorsWriter.Write(path, [SafeTensorsWriterTests.Tensor(name, SafeTensorsType.BF16, [1], [0, 1])]);
}
