using Peft.Orleans.Core.Batches;
using Peft.Orleans.Kernels.Tests.Goldens;
using Peft.Orleans.Tests;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Models;

/// <summary>Rows of any length, their gradients and their scores, against the float64 reference.</summary>
public class RowReferenceTests
{
    [Theory]
    [InlineData(300)]
    [InlineData(1100)]
    public void Long_rows_in_query_blocks_give_what_short_ones_give(int length)
    {
        // 300 positions cross two borders of query blocks, 1,100 four of those twice as long; the reference knows no blocks.
        using var scope = NewDisposeScope();
        using var model = new TinyModel();
        using var pipeline = new LocalPipeline(Specs.Full(model.Folder));
        pipeline.Initialize();
        var sample = TinyModel.Ids(new Random(5), length);
        foreach (var weight in model.Weights.Values)
            weight.requires_grad_();
        var reference =
            new ReferenceModel(model.Weights, module => model.Weights[$"{module}.weight"], false).LossSum([sample]) / (length - 1);
        reference.backward();
        var (loss, gradients) = pipeline.Gradients([Batches.Of([sample])]);
        Assert.Equal(reference.item<double>(), loss, 1e-5);
        foreach (var (name, weight) in model.Weights) Compare.Close(name, pipeline.Gradient(gradients, name), weight.grad!, 1e-5);
        foreach (var gradient in gradients) gradient.Dispose();
    }

    [Fact]
    public void Scores_sum_the_log_likelihood_of_each_row()
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel();
        using var pipeline = new LocalPipeline(Specs.Lora(model.Folder, [], 3, 6));
        pipeline.Initialize();
        var random = new Random(7);
        int[][] samples = [TinyModel.Ids(random, 9), TinyModel.Ids(random, 5)];
        var scores = pipeline.Score(Batches.Of(samples));
        var reference = new ReferenceModel(model.Weights, module => model.Weights[$"{module}.weight"], false);
        for (var row = 0; row < samples.Length; row++)
        {
            Assert.Equal(-reference.LossSum([samples[row]]).item<double>(), scores[row].LogLikelihood, 1e-4);
            Assert.Equal(samples[row].Length - 1, scores[row].Tokens);
            Assert.False(scores[row].IsGreedy);
        }

        // A sample that follows the model's own choices is greedy.
        var prompt = TinyModel.Ids(random, 4);
        var text = pipeline.Greedy(prompt, 5);
        var labels = Enumerable.Repeat(Microbatch.Masked, 4).Concat(text).ToArray();
        Assert.True(pipeline.Score(Batches.Of([[.. prompt, .. text]], [labels]))[0].IsGreedy);
    }
}
