using System.Text.Json.Nodes;
using Peft.Orleans.Core;
using Peft.Orleans.Data.Exports;
using Peft.Orleans.Data.SafeTensors;

namespace Peft.Orleans.Data.Tests.Exports;

/// <summary>Weights in one file where they are small, else in shards of a largest size, in the model's order.</summary>
public sealed class ModelShardsTests : IDisposable
{
    private readonly TemporaryFolder parts = new();
    private readonly TemporaryFolder target = new();

    // A file for each layer; in bytes 40, 24 + 8, 100.
    public ModelShardsTests()
    {
        Part(0, ("model.embed_tokens.weight", 10));
        Part(1, ("model.layers.0.a.weight", 6), ("model.layers.0.b.weight", 2));
        Part(2, ("lm_head.weight", 25));
    }

    [Fact]
    public void A_small_model_is_one_file_without_an_index()
    {
        var files = ModelShards.Assemble(parts.Path, target.Path);
        Assert.Equal([target.File("model.safetensors")], files);
        Assert.Equal(["model.safetensors"], Directory.EnumerateFiles(target.Path).Select(Path.GetFileName));
        RequireAll();
    }

    [Fact]
    public void A_large_one_has_shards_up_to_the_limit_and_a_larger_tensor_its_own()
    {
        var files = ModelShards.Assemble(parts.Path, target.Path, limit: 64);
        Assert.Equal(
            ["model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors"],
            files.Select(Path.GetFileName));
        Assert.Equal(["model.embed_tokens.weight", "model.layers.0.a.weight"], Names(files[0]));
        Assert.Equal(["model.layers.0.b.weight"], Names(files[1]));
        Assert.Equal(["lm_head.weight"], Names(files[2]));
        var index = JsonNode.Parse(File.ReadAllText(target.File("model.safetensors.index.json")))!;
        Assert.Equal(172, (int)index["metadata"]!["total_size"]!);
        Assert.Equal(
            ["lm_head.weight", "model.embed_tokens.weight", "model.layers.0.a.weight", "model.layers.0.b.weight"],
            index["weight_map"]!.AsObject().Select(static pair => pair.Key));
        WeightFiles.Open(target.Path).CheckAll();
        RequireAll();
        // The hash of a folder is over its shards in order.
        Assert.Equal(64, FileHash.Of(files).Length);
    }

    [Fact]
    public void A_layers_file_goes_when_nothing_of_it_is_left_to_write()
    {
        ModelShards.Assemble(parts.Path, target.Path, limit: 64);
        Assert.Empty(Directory.EnumerateFiles(parts.Path));
    }

    public void Dispose()
    {
        parts.Dispose();
        target.Dispose();
    }

    private static IEnumerable<string> Names(string file) => SafeTensorsHeader.Read(file).Entries.Keys.Order(StringComparer.Ordinal);

    private void RequireAll()
    {
        var weights = WeightFiles.Open(target.Path);
        foreach (var (name, count) in new[]
            {
                ("model.embed_tokens.weight", 10), ("model.layers.0.a.weight", 6), ("model.layers.0.b.weight", 2), ("lm_head.weight", 25),
            })
        {
            Assert.True(weights.TryFind(name, out var path, out _));
            Assert.Equal(Content(name, count), SafeTensorsHeader.Read(path).ReadBytes(name));
        }
    }

    private static byte[] Content(string name, int count) => [.. Enumerable.Range(0, count * 4).Select(i => (byte)(name.Length + i))];

    private void Part(int layer, params (string Name, int Count)[] tensors) => SafeTensorsWriter.Write(
        parts.File($"layer-{layer:D4}.safetensors"),
        [
            .. tensors.Select(static tensor => new SafeTensorsTensor(
                tensor.Name, SafeTensorsType.F32, [tensor.Count], stream => stream.Write(Content(tensor.Name, tensor.Count)))),
        ]);
}
