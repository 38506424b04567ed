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
        folder.Write(Index, """{"weight_map":{"a":"one","b":"two","c":"three"}}""");
        var weights = WeightFiles.Open(folder.Path);
        Assert.True(weights.TryFind("a", out var path, out _));
        Assert.Equal(folder.File("one"), path);
        AssertError(() => weights.TryFind("b", out _, out _), folder.File("two"), "too few");
        AssertError(() => weights.TryFind("c", out _, out _), folder.File("three"), "not found");
    }

    [Fact]
    public void ATensorInAnotherShardThanTheIndexSaysIsFoundLikeTransformersFindsIt()
    {
        using var folder = new TemporaryFolder();
        WriteOne(folder.File("one"), "a", "b");
        WriteOne(folder.File("two"), "c");
        folder.Write(Index, """{"weight_map":{"a":"one","b":"two","c":"two","d":"one"}}""");
        var weights = WeightFiles.Open(folder.Path);
        Assert.True(weights.TryFind("b", out var path, out _));
        Assert.Equal(folder.File("one"), path);
        AssertError(() => weights.TryFind("d", out _, out _), folder.File("one"), "'d' is not in this file", "in no other");
        AssertError(weights.CheckAll, "'d'");
    }

    [Fact]
    public void NamesOfABareDecoderAreThoseOfTheCausalModel()
    {
        using var folder = new TemporaryFolder();
        WriteOne(folder.File("model.safetensors"), "embed_tokens.weight", "layers.0.mlp.up_proj.weight", "lm_head.weight");
        var weights = WeightFiles.Open(folder.Path, "model.");
        Assert.Equal(
            ["lm_head.weight", "model.embed_tokens.weight", "model.layers.0.mlp.up_proj.weight"],
            weights.Names.Order(StringComparer.Ordinal));
        Assert.True(weights.TryFind("model.embed_tokens.weight", out _, out var entry));
        Assert.Equal("embed_tokens.weight", entry.Name);
        weights.CheckAll();
        // One name that has it says that all have.
        WriteOne(folder.File("model.safetensors"), "model.embed_tokens.weight", "layers.0.mlp.up_proj.weight");
        Assert.False(WeightFiles.Open(folder.Path, "model.").TryFind("model.layers.0.mlp.up_proj.weight", out _, out _));
    }

    [Fact]
    public void PickledWeightsAreRefusedWithTheWayToConvertThem()
    {
        using var folder = new TemporaryFolder();
        folder.Write("pytorch_model-00001-of-00002.bin", "");
        AssertError(
            () => WeightFiles.Open(folder.Path),
            folder.Path,
            "pytorch_model-00001-of-00002.bin",
            "AutoModelForCausalLM",
            "save_pretrained"
        );
    }

    [Theory]
    [InlineData("""{"weight_map":{"a":"model-00001-of-00001.safetensors"}}""")]
    [InlineData("""{"weight_map":{"a":"gone-00001-of-00002.safetensors"}}""")]
    [InlineData("{")]
    public void TheSingleFileComesBeforeAnIndex(string index)
    {
        using var folder = new TemporaryFolder();
        WriteOne(folder.File("model.safetensors"), "a");
        WriteOne(folder.File("model-00001-of-00001.safetensors"), "a");
        folder.Write(Index, index);
        var weights = WeightFiles.Open(folder.Path);
        weights.CheckAll();
        Assert.True(weights.TryFind("a", out var path, out _));
        Assert.Equal(folder.File("model.safetensors"), path);
    }

    [Fact]
    public void AnIndexWithoutItsShardsIsNamedWithTheRemedy()
    {
        using var folder = new TemporaryFolder();
        folder.Write(Index, """{"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}""");
        AssertError(() => WeightFiles.Open(folder.Path).CheckAll(), folder.File(Index), "none of the 2 shards", "delete the index");
        WriteOne(folder.File("weights.safetensors"), "a");
        AssertError(() => WeightFiles.Open(folder.Path).CheckAll(), folder.File(Index), "rename weights.safetensors to model.safetensors");
        WriteOne(folder.File("model-00001-of-00003.safetensors"), "a");
        AssertError(
            () => WeightFiles.Open(folder.Path).CheckAll(),
            folder.File(Index),
            "another save",
            "fetch the index that belongs to them"
        );
    }

    [Fact]
    public void ATensorInTwoShardsIsRefused()
    {
        using var folder = new TemporaryFolder();
        WriteOne(folder.File("one"), "a", "b");
        WriteOne(folder.File("two"), "b");
        folder.Write(Index, """{"weight_map":{"a":"one","b":"two"}}""");
        AssertError(() => WeightFiles.Open(folder.Path).CheckAll(), folder.File(Index), "'b'", "in one, and two holds it too");
        folder.Write(Index, """{"weight_map":{"b":"two"}}""");
        WeightFiles.Open(folder.Path).CheckAll();
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
        folder.Write("pytorch_model.bin", "");
        AssertError(() => WeightFiles.Open(folder.Path), "there is pytorch_model.bin", "converted to safetensors");
    }

    /// <summary>A model that is made with random weights has none, in whatever form: else somebody meant those.</summary>
    [Theory]
    [InlineData("pytorch_model.bin", true)]
    [InlineData("pytorch_model-00001-of-00002.bin", true)]
    [InlineData("pytorch_model.bin.index.json", true)]
    [InlineData("model.fp16.safetensors", true)]
    [InlineData("model-00001-of-00002.safetensors", true)]
    [InlineData("consolidated.00.pth", true)]
    [InlineData("model-q4.gguf", true)]
    [InlineData("tf_model.h5", true)]
    [InlineData("training_args.bin", false)]
    [InlineData("optimizer.pt", false)]
    [InlineData("adapter_model.safetensors", false)]
    public void WeightsOfAnotherFormAreWeights(string name, bool weights)
    {
        using var folder = new TemporaryFolder();
        Assert.False(WeightFiles.Exist(folder.Path));
        folder.Write(name, "");
        Assert.Equal(weights, WeightFiles.Exist(folder.Path));
        AssertError(() => WeightFiles.Open(folder.Path), folder.Path);
    }

    private static void AssertError(Action action, params string[] parts)
    {
        var error = Assert.Throws<PeftException>(action);
        Assert.All(parts, part => Assert.Contains(part, error.Message, StringComparison.Ordinal));
    }

    private static void WriteOne(string path, params string[] names) =>
        SafeTensorsWriter.Write(
            path,
            [.. names.Select(static name => SafeTensorsWriterTests.Tensor(name, SafeTensorsType.BF16, [1], [0, 1]))]
        );
}
