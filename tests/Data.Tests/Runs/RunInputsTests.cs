using System.Security.Cryptography;
using System.Text;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Runs;

namespace Peft.Orleans.Data.Tests.Runs;

/// <summary>A run goes on only with the files it began with.</summary>
public sealed class RunInputsTests
{
    private const string Tensor = "model.norm.weight";

    [Theory]
    [InlineData("train.jsonl", "data.train.path")]
    [InlineData("validation.jsonl", "data.validation.path")]
    [InlineData("evaluation.jsonl", "data.evaluation.path")]
    [InlineData("model/config.json", "model.path")]
    [InlineData("model/tokenizer.json", "model.path")]
    [InlineData("model/chat_template.jinja", "model.path")]
    [InlineData("mine.jinja", "data.chat_template")]
    [InlineData("adapter/adapter_model.safetensors", "method.initial_adapter")]
    public void AChangedFileIsNamedWithBothHashes(string file, string key)
    {
        using var folder = new TemporaryFolder();
        var run = Made(folder);
        folder.Write(file, "other");
        var error = Assert.Throws<PeftException>(() => RunInputs.CheckAll(folder.File("run"), run)).Message;
        Assert.StartsWith($"{key}: {folder.File(file)} changed since the run was created", error, StringComparison.Ordinal);
        Assert.Contains(Hash("content of " + file), error, StringComparison.Ordinal);
        Assert.Contains(Hash("other"), error, StringComparison.Ordinal);
        // The former content is the former file, whatever its time and inode.
        File.Delete(folder.File(file));
        folder.Write(file, "content of " + file);
        RunInputs.CheckAll(folder.File("run"), run);
    }

    [Fact]
    public void ASiloNamesItselfAndLooksAtWhatItReads()
    {
        using var folder = new TemporaryFolder();
        var run = Made(folder);
        folder.Write("train.jsonl", "other");
        RunInputs.Check(folder.File("run"), run, InputKinds.Model | InputKinds.Adapter, "silo-3");
        var error = Assert.Throws<UnfitSiloException>(() => RunInputs.Check(folder.File("run"), run, InputKinds.All, "silo-3"));
        Assert.StartsWith("silo silo-3: data.train.path: ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FilesThatAreGoneOrCameAreNamed()
    {
        using var folder = new TemporaryFolder();
        var run = Made(folder);
        folder.Write("model/tokenizer.model", "new");
        Assert.Contains(
            "tokenizer.model was not there",
            Assert.Throws<PeftException>(() => RunInputs.CheckAll(folder.File("run"), run)).Message,
            StringComparison.Ordinal
        );
        File.Delete(folder.File("model/tokenizer.model"));
        File.Delete(folder.File("train.jsonl"));
        Assert.Contains(
            "train.jsonl is gone",
            Assert.Throws<PeftException>(() => RunInputs.CheckAll(folder.File("run"), run)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void ARecordIsKeptAndARunWithoutOneIsNotCompared()
    {
        using var folder = new TemporaryFolder();
        var run = Made(folder);
        folder.Write("train.jsonl", "other");
        RunInputs.Record(folder.File("run"), run);
        Assert.Throws<PeftException>(() => RunInputs.CheckAll(folder.File("run"), run));
        RunInputs.CheckAll(folder.File("elsewhere"), run);
    }

    [Fact]
    public void WeightsAreComparedTensorByTensorWhereTheirFileChanged()
    {
        using var folder = new TemporaryFolder();
        var run = Made(folder);
        var path = folder.File("model/model.safetensors");
        var before = Hash("weights!");
        WeightRecord.Check(folder.File("run"), 3, new Dictionary<string, string> { [Tensor] = before }, folder.File("model"), "silo-0");
        File.SetLastWriteTimeUtc(path, DateTime.UnixEpoch);
        RunInputs.CheckAll(folder.File("run"), run);
        WriteWeights(path, "WEIGHTS!");
        var error = Assert.Throws<PeftException>(() => RunInputs.CheckAll(folder.File("run"), run)).Message;
        Assert.Contains(
            $"{path} changed since the run was created: the sha256 of tensor '{Tensor}' was {before}, now it is {Hash("WEIGHTS!")}",
            error,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void ASiloThatLoadsOtherWeightsIsRefusedByName()
    {
        using var folder = new TemporaryFolder();
        void Load(string silo, string hash) =>
            WeightRecord.Check(folder.File("run"), 3, new Dictionary<string, string> { [Tensor] = hash }, folder.File("model"), silo);
        Load("silo-0", Hash("a"));
        Load("silo-1", Hash("a"));
        var error = Assert.Throws<UnfitSiloException>(() => Load("silo-2", Hash("b")));
        Assert.Equal("silo-2", error.Silo);
        Assert.StartsWith(
            $"silo silo-2: model.path: {folder.File("model")}: tensor '{Tensor}' is another one",
            error.Message,
            StringComparison.Ordinal
        );
    }

    private static RunSpec Made(TemporaryFolder folder)
    {
        foreach (var name in (string[])["run", "model", "adapter"])
            Directory.CreateDirectory(folder.File(name));
        foreach (
            var file in (string[])
                [
                    "train.jsonl",
                    "validation.jsonl",
                    "evaluation.jsonl",
                    "model/config.json",
                    "model/tokenizer.json",
                    "model/chat_template.jinja",
                    "mine.jinja",
                    "adapter/adapter_model.safetensors",
                ]
        )
            folder.Write(file, "content of " + file);
        WriteWeights(folder.File("model/model.safetensors"), "weights!");
        var run = new RunSpec
        {
            Model = new ModelSpec { Path = folder.File("model") },
            Method = new MethodSpec { InitialAdapter = folder.File("adapter") },
            Data = new DataSpec
            {
                Train = new DataSource { Path = folder.File("train.jsonl") },
                Validation = new ValidationSource { Path = folder.File("validation.jsonl") },
                Evaluation = new EvaluationSource { Path = folder.File("evaluation.jsonl") },
                ChatTemplate = folder.File("mine.jinja"),
            },
        };
        RunInputs.Record(folder.File("run"), run);
        return run;
    }

    /// <summary>Eight bytes as two floats of one tensor.</summary>
    private static void WriteWeights(string path, string eightBytes)
    {
        var header = Encoding.UTF8.GetBytes(
            """{"NAME":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""".Replace("NAME", Tensor, StringComparison.Ordinal)
        );
        File.WriteAllBytes(path, [.. BitConverter.GetBytes((long)header.Length), .. header, .. Encoding.UTF8.GetBytes(eightBytes)]);
    }

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
