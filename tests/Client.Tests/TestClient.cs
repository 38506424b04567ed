using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Peft.Orleans.Client;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.SafeTensors;
using Xunit;

// The run index and the silo's place are environment variables of the process.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace Peft.Orleans.Client.Tests;

/// <summary>The client's own entry with captured output, and a run index of its own.</summary>
internal static class TestClient
{
    [ModuleInitializer]
    internal static void UseOwnIndex()
    {
        Environment.SetEnvironmentVariable("PEFT_HOME", Directory.CreateTempSubdirectory("peft-home").FullName);
        Environment.SetEnvironmentVariable("PEFT_CLUSTER", null);
    }

    /// <summary>A terminal that nobody reads.</summary>
    internal static Terminal Nowhere { get; } = new(TextWriter.Null, TextWriter.Null, animated: false, colored: false);

    internal sealed record Outcome(int ExitCode, string Output, string Errors)
    {
        internal JsonNode Json => JsonNode.Parse(Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1])!;
    }

    internal static async Task<Outcome> Run(params string[] arguments)
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var errors = new StringWriter { NewLine = "\n" };
        var code = await ClientApplication.Run(arguments, new Terminal(output, errors, animated: false, colored: false));
        return new Outcome(code, output.ToString(), errors.ToString());
    }
}

/// <summary>A folder of one test, with the parts of a run.</summary>
internal sealed class Workspace : IDisposable
{
    internal string Folder { get; } = Directory.CreateTempSubdirectory("peft-test").FullName;

    internal string Write(string name, string text)
    {
        var path = System.IO.Path.Combine(Folder, name);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
        return path;
    }

    internal string Path(string name) => System.IO.Path.Combine(Folder, name);

    /// <summary>A model folder: configuration, and weights that are all zero.</summary>
    internal string Model()
    {
        Write("model/config.json", """
            {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3,
             "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 100, "torch_dtype": "bfloat16", "max_position_embeddings": 256}
            """);
        var model = ModelFolder.Open(Path("model"));
        WriteWeights(model, static (_, shape) => shape);
        return Path("model");
    }

    /// <summary>Writes every tensor of a model, in the shape that is said; null: not at all.</summary>
    internal static void WriteWeights(ModelFolder model, Func<string, long[], long[]?> shapeOf, SafeTensorsType type = SafeTensorsType.BF16)
    {
        var shapes = new SortedDictionary<string, long[]>(StringComparer.Ordinal);
        for (var layer = 0; layer < model.LayerCount; layer++)
        {
            foreach (var tensor in model.Tensors(layer)) shapes[tensor.Name] = tensor.Shape;
            foreach (var linear in model.Linears(layer)) shapes[linear.WeightName] = [linear.Out, linear.In];
        }

        SafeTensorsWriter.Write(
            System.IO.Path.Combine(model.Path, "model.safetensors"),
            [
                .. shapes
                    .Select(pair => (pair.Key, Shape: shapeOf(pair.Key, pair.Value)))
                    .Where(static pair => pair.Shape is not null)
                    .Select(pair => new SafeTensorsTensor(pair.Key, type, pair.Shape!, stream =>
                        stream.Write(new byte[pair.Shape!.Aggregate(1L, static (a, b) => a * b) * type.Bits() / 8])
                    )),
            ]
        );
    }

    /// <summary>A run file over that model with token lines.</summary>
    internal string RunFile(string more = "")
    {
        Model();
        Write("train.jsonl", """{"input_ids": [1, 2, 3], "labels": [1, 2, 3]}""" + "\n");
        return Write(
            "run.yaml",
            "name: demo\nmodel: { path: model }\ndata: { train: { path: train.jsonl, format: tokens } }\ntraining: { steps: 4 }\n" + more
        );
    }

    /// <summary>The folder of a run that is completed.</summary>
    internal string FinishedRun(string id)
    {
        var file = RunFile();
        var yaml = Core.Runs.RunFile.Write(Core.Runs.RunFile.Load(file));
        var folder = Path("runs/" + id);
        Write($"runs/{id}/run.yaml", yaml);
        Write(
            $"runs/{id}/metrics.jsonl",
            string.Concat(
                Enumerable
                    .Range(1, 4)
                    .Select(static step =>
                        $$"""{"step":{{step}},"loss":{{5 - step}}.5,"learningRate":0.0001,"gradientNorm":1.25,"tokens":30,"targetTokens":20,"seconds":0.5,"lambda":[0.5,0.6,0.7],"term":1,"silos":2}"""
                        + "\n"
                    )
            ) + "{\"step\":5,\"lo"
        );
        Write($"runs/{id}/events.jsonl", """{"time":"2026-01-01T00:00:00Z","event":"term","details":{"term":1}}""" + "\n");
        Write(
            $"runs/{id}/status.json",
            $$"""{"runId":"{{id}}","folder":"{{folder}}","state":4,"step":4,"steps":4,"silos":2,"recoveries":1,"adapterPath":"{{folder}}/adapter","adapterSha256":"abc"}"""
        );
        Write($"runs/{id}/logs/silo-0.log", "one\ntwo\n");
        Write($"runs/{id}/logs/silo-1.log", "three\n");
        Write($"runs/{id}/adapter/adapter_config.json", """{"peft_type": "HYBRID"}""");
        Write($"runs/{id}/adapter/adapter_model.safetensors", "tensors");
        return folder;
    }

    /// <summary>A shell script in the place of a silo.</summary>
    internal string Script(string name, string text)
    {
        var path = Write(name, text);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
