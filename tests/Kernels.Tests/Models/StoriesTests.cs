using System.Text.Json;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Kernels.Tests.Models;

public class StoriesTests
{
    [Fact]
    public void The_small_story_model_tells_a_story_greedily()
    {
        var folder = SharedFolder.Require("models/stories260K");
        using var pipeline = new LocalPipeline(Specs.Lora(folder, [], 2, 2));
        pipeline.Initialize();
        // Begin-of-text alone; the text is compared through generate, with the tokenizer, elsewhere: here, the cache against whole passes.
        var ids = pipeline.Greedy([1], 60);
        var scores = pipeline.Score(Batches.Of([[1, .. ids]]));
        Assert.Equal(60, scores[0].Tokens);
        Assert.True(scores[0].IsGreedy);
        Assert.True(scores[0].LogLikelihood / 60 > -2, $"{scores[0].LogLikelihood / 60} a token: no story");
    }
}
