using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Checks;
using Peft.Orleans.Data.Exports;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Runs;
using Peft.Orleans.Data.SafeTensors;

namespace Peft.Orleans.Data.Tests.Models;

/// <summary>Checkpoints as they lie on disk: in Hugging Face's cache, with heads beside tied embeddings, quantised.</summary>
public sealed class ModelLocationTests : IDisposable
{
    private const string Config = """
        {"model_type": "llama", "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 20,
         "tie_word_embeddings": true}
        """;

    private readonly TemporaryFolder cache = new();

    private string Repository => cache.File("models--owner--name");

    // refs/main names a snapshot of links to blobs, beside an older one.
    public ModelLocationTests()
    {
        using var made = new TemporaryFolder();
        var model = RandomModel.Of(made.Write("config.json", Config)).Write(made.File("m"), 2, WeightType.Float32, seed: 3);
        Snapshot("aaaa", model.Path);
        Snapshot("bbbb", model.Path);
        Directory.CreateDirectory(Path.Combine(Repository, "refs"));
        File.WriteAllText(Path.Combine(Repository, "refs", "main"), "bbbb\n");
    }

    [Fact]
    public void The_snapshot_of_refs_main_is_found_from_the_repository_and_from_the_cache()
    {
        var main = Path.Combine(Repository, "snapshots", "bbbb");
        foreach (var named in (string[])[main, Repository, cache.Path])
        {
            var model = ModelFolder.Open(named);
            Assert.Equal(main, model.Path);
            WeightChecks.Check(model);
        }

        Directory.CreateDirectory(cache.File("models--owner--other"));
        Assert.Contains("models--owner--name", Refusal(cache.Path));
        File.WriteAllText(Path.Combine(Repository, "refs", "main"), "cccc");
        Assert.Contains("cccc, which is not there", Refusal(Repository));
        File.Delete(Path.Combine(Repository, "refs", "main"));
        Assert.Contains(Path.Combine(Repository, "snapshots", "aaaa"), Refusal(Repository));
        Directory.Delete(Path.Combine(Repository, "snapshots", "aaaa"), recursive: true);
        Assert.Equal(main, ModelFolder.Open(Repository).Path);
    }

    [Fact]
    public void A_run_is_of_the_snapshot_and_its_record_of_what_the_links_name()
    {
        var spec = new RunSpec
        {
            Name = "r",
            Model = new ModelSpec { Path = Repository },
            Data = new DataSpec { Train = new DataSource { Path = cache.Write("t.jsonl", "{}"), Format = DataFormat.Tokens } },
        };
        var run = RunResolver.Resolve(spec, ModelFolder.Open(Repository), threads: 1);
        Assert.Equal(Path.Combine(Repository, "snapshots", "bbbb"), run.Spec.Model.Path);
        var folder = cache.File("run");
        RunInputs.Record(folder, run.Spec);
        RunInputs.CheckAll(folder, run.Spec);
        var blob = Directory.EnumerateFiles(Path.Combine(Repository, "blobs"), "bbbb-config.json").Single();
        File.WriteAllText(blob, Config.Replace("20", "21"));
        var message = Assert.Throws<PeftException>(() => RunInputs.CheckAll(folder, run.Spec)).Message;
        Assert.Contains("config.json changed", message);
    }

    [Fact]
    public void A_head_beside_a_tied_embedding_must_be_the_embedding()
    {
        var model = ModelFolder.Open(Repository);
        Assert.DoesNotContain("lm_head.weight", model.Weights.Names);
        var header = SafeTensorsHeader.Read(Path.Combine(model.Path, "model.safetensors"));
        var words = header.ReadBytes("model.embed_tokens.weight");
        WithHead(words);
        WeightChecks.Check(ModelFolder.Open(cache.File("headed")));
        words[^1] ^= 1;
        WithHead(words);
        var message = Assert.Throws<PeftException>(() => WeightChecks.Check(ModelFolder.Open(cache.File("headed")))).Message;
        Assert.Contains("'lm_head.weight' is not 'model.embed_tokens.weight'", message);
        Assert.Contains("tie_word_embeddings", message);

        void WithHead(byte[] head)
        {
            Directory.CreateDirectory(cache.File("headed"));
            File.Copy(Path.Combine(model.Path, "config.json"), Path.Combine(cache.File("headed"), "config.json"), overwrite: true);
            SafeTensorsTensor[] tensors =
            [
                .. header.Entries.Values.Select(
                    entry => new SafeTensorsTensor(entry.Name, entry.Type, entry.Shape, stream => header.CopyTo(entry, stream))),
                new("lm_head.weight", SafeTensorsType.F32, [20, 16], stream => stream.Write(head)),
                // What older releases saved, and what nothing reads.
                new("model.layers.0.self_attn.rotary_emb.inv_freq", SafeTensorsType.F32, [4], stream => stream.Write(new byte[16])),
            ];
            SafeTensorsWriter.Write(Path.Combine(cache.File("headed"), "model.safetensors"), tensors);
        }
    }

    [Theory]
    [InlineData("""{"quant_method": "gptq", "bits": 4}""", "quant_method gptq", "the model it was made from")]
    [InlineData("""{"load_in_4bit": true, "bnb_4bit_quant_type": "nf4"}""", "quant_method bitsandbytes", "dequantize()")]
    [InlineData("""{"quant_method": "to_come"}""", "quant_method to_come", "unquantised")]
    public void Quantised_weights_are_refused_by_method_with_the_remedy(string quantization, string method, string remedy)
    {
        using var folder = new TemporaryFolder();
        folder.Write("config.json", Config.Replace("\"tie_word", $"\"quantization_config\": {quantization}, \"tie_word"));
        var message = Refusal(folder.Path);
        Assert.Contains(method, message);
        Assert.Contains(remedy, message);
    }

    public void Dispose() => cache.Dispose();

    private static string Refusal(string path) => Assert.Throws<PeftException>(() => ModelFolder.Open(path)).Message;

    private void Snapshot(string name, string source)
    {
        var (blobs, snapshot) = (Path.Combine(Repository, "blobs"), Path.Combine(Repository, "snapshots", name));
        Directory.CreateDirectory(blobs);
        Directory.CreateDirectory(snapshot);
        foreach (var file in Directory.EnumerateFiles(source))
        {
            var blob = Path.Combine(blobs, $"{name}-{Path.GetFileName(file)}");
            File.Copy(file, blob);
            var target = Path.Combine("..", "..", "blobs", Path.GetFileName(blob));
            File.CreateSymbolicLink(Path.Combine(snapshot, Path.GetFileName(file)), target);
        }
    }
}
