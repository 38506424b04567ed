using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Models;

public class PaddedGenerationTests
{
    [Fact]
    public void Prompts_of_unequal_length_generate_together_as_they_do_alone()
    {
        using var scope = NewDisposeScope();
        using var model = new TinyModel();
        using var pipeline = new LocalPipeline(Specs.Lora(model.Folder, [], 2, 2));
        pipeline.Initialize();
        var random = new Random(5);
        int[][] prompts = [TinyModel.Ids(random, 9), TinyModel.Ids(random, 4), TinyModel.Ids(random, 7)];
        var more = TinyModel.Ids(random, 3);
        var (first, second) = pipeline.CachedLogits(prompts, more);
        for (var row = 0; row < prompts.Length; row++)
        {
            var (alone, next) = pipeline.CachedLogits([prompts[row]], [more[row]]);
            // Rotary positions are relative: padding shifts a row's positions, which changes nothing but rounding.
            Assert.True(allclose(first[row], alone[0], 1e-5, 1e-5));
            Assert.True(allclose(second[row], next[0], 1e-5, 1e-5));
        }
    }
}
