using Peft.Orleans.Data.Models;
using Xunit;

namespace Peft.Orleans.Client.Tests;

/// <summary>A run is continued after the same checks as it was started: what a silo would fail of starts no silo.</summary>
public sealed class ResumeRefusalTests
{
    [Theory]
    [InlineData("data", "train.jsonl, line 1: the field \"input_ids\" is not a list")]
    [InlineData("gone", "data.train.path: ")]
    [InlineData("weights", "there is no tensor 'model.norm.weight'")]
    [InlineData("config", "config.json: quantization_config")]
    [InlineData("adapter", "method.initial_adapter: ")]
    [InlineData("rank", "method.lora.rank: expected an integer of at least 1")]
    public async Task What_a_start_refuses_a_resume_refuses(string damage, string message)
    {
        using var workspace = new Workspace();
        var folder = workspace.FinishedRun("r");
        var run = Path.Combine(folder, "run.yaml");
        var status = Path.Combine(folder, "status.json");
        // Its silos were killed.
        File.WriteAllText(status, File.ReadAllText(status).Replace("\"state\":4", "\"state\":1", StringComparison.Ordinal));
        switch (damage)
        {
            case "data":
                workspace.Write("train.jsonl", "{\"input_ids\": null, \"labels\": [1]}\n");
                break;
            case "gone":
                File.Delete(workspace.Path("train.jsonl"));
                break;
            case "weights":
                Workspace.WriteWeights(
                    ModelFolder.Open(workspace.Path("model")),
                    static (name, shape) => name == "model.norm.weight" ? null : shape
                );
                break;
            case "config":
                var config = File.ReadAllText(workspace.Path("model/config.json")).TrimEnd();
                workspace.Write("model/config.json", config[..^1] + ", \"quantization_config\": {\"quant_method\": \"gptq\"}}");
                break;
            case "adapter":
                Change("initial_adapter: null", "initial_adapter: " + workspace.Path("nowhere"));
                break;
            case "rank":
                Change("rank: 16", "rank: 0");
                break;
        }

        var marker = workspace.Path("started");
        var before = Environment.GetEnvironmentVariable("PEFT_SILO");
        Environment.SetEnvironmentVariable("PEFT_SILO", workspace.Script("silo", $"#!/bin/sh\ntouch {marker}\n"));
        try
        {
            var outcome = await TestClient.Run("resume", folder, "--local", "1");
            Assert.Contains(message, outcome.Errors, StringComparison.Ordinal);
            Assert.Equal(ExitCodes.Refused, outcome.ExitCode);
            Assert.False(File.Exists(marker));
            Assert.False(Directory.Exists(Path.Combine(folder, "cluster")));
        }
        finally
        {
            Environment.SetEnvironmentVariable("PEFT_SILO", before);
        }

        void Change(string from, string to)
        {
            var text = File.ReadAllText(run);
            Assert.Contains(from, text, StringComparison.Ordinal);
            File.WriteAllText(run, text.Replace(from, to, StringComparison.Ordinal));
        }
    }
}
