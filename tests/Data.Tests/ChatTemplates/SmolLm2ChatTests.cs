using System.Text.Json;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.ChatTemplates;
using Peft.Orleans.Data.Tokenizers;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Data.Tests.ChatTemplates;

/// <summary>GSM8K in the template of a real model: the ids and labels that its reference losses were computed of.</summary>
public sealed class SmolLm2ChatTests
{
    [Fact]
    public void Gsm8k_gives_the_references_ids_and_labels()
    {
        var model = SharedFolder.Require("models/SmolLM2-135M-Instruct");
        using var losses = JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require("goldens/smollm2/losses.json")));
        var references = losses.RootElement.EnumerateArray().ToArray();
        var samples = new ChatSamples(
            TokenizerLoader.Load(model),
            ChatTemplate.Select(ChatTemplateNames.Model, model),
            new DataSpec());
        var made = new[] { "test", "train" }
            .SelectMany(name => File.ReadLines(SharedFolder.Require($"data/gsm8k/{name}.jsonl")).Take(references.Length))
            .Select(line =>
            {
                using var row = JsonDocument.Parse(line);
                string Field(string name) => row.RootElement.GetProperty(name).GetString()!;
                var talk = new Conversation([new(ChatMessage.User, Field("question")), new(ChatMessage.Assistant, Field("answer"))]);
                return Assert.Single(samples.Of(talk));
            })
            .ToDictionary(static sample => string.Join(',', sample.Ids), static sample => string.Join(',', sample.Labels));
        Assert.NotEmpty(references);
        Assert.All(references, reference =>
            Assert.Equal(Numbers(reference, "labels"), made.GetValueOrDefault(Numbers(reference, "ids"), "no such conversation")));
    }

    private static string Numbers(JsonElement row, string name) =>
        string.Join(',', row.GetProperty(name).EnumerateArray().Select(static number => number.GetInt32()));
}
