using Peft.Orleans.Grains.Agents;
using Peft.Orleans.Kernels.Torch;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Grains.Tests.Agents;

public class KeptVersionsTests
{
    private static readonly ParameterLayout Layout = new()
    {
        Trainable = [new ParameterSlot("a", [3], 0)],
        Size = 16,
        OptimizerSize = 16,
        ConstantSize = 16,
        LambdaCount = 0,
    };

    public KeptVersionsTests() => TorchRuntime.Initialize(1);

    [Fact]
    public void What_never_changes_is_held_once()
    {
        using var kept = new KeptVersions();
        kept.Seat(Layout, CPU);
        using var first = kept.Rent();
        using var second = kept.Rent();
        first.Constants.fill_(3);
        first.Parameters.fill_(1);
        Assert.Equal(3f, second.Constants[15].item<float>());
        Assert.Equal(0f, second.Parameters[0].item<float>());
    }

    [Fact]
    public void A_version_that_came_before_the_seat_keeps_its_contents_and_so_do_those_after_it()
    {
        using var kept = new KeptVersions();
        kept.Keep(new LayerVersion(full(16, 1f), full(16, 2f), full(16, 3f), full(16, 4f), []) { Step = 5 });
        kept.Seat(Layout, CPU);
        kept.Adopt(new LayerVersion(full(16, 6f), full(16, 7f), full(16, 8f), full(16, 4f), []) { Step = 6 });
        foreach (var (step, parameters) in new[] { (5, 1f), (6, 6f) })
        {
            Assert.Equal(parameters, kept.Find(step)!.Parameters[7].item<float>());
            Assert.Equal(4f, kept.Find(step)!.Constants[7].item<float>());
        }

        kept.Unseat();
        Assert.Equal(4f, kept.Find(6)!.Constants[7].item<float>());
    }
}
