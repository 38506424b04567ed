using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;
using Xunit;

namespace Peft.Orleans.Core.Tests.Runs;

/// <summary>What a method's options ask of the shapes of the modules it adapts.</summary>
public sealed class ShapeRefusals
{
    [Fact]
    public void Stable_initialisation_needs_room_for_twice_the_rank()
    {
        var spec = RunFile.Parse(ValidRun.Text, "f.yaml", ["method.name=lora_ga", "method.lora.rank=16"]);
        Assert.Empty(RunRules.CheckShapes(spec.Method, [("q_proj", 64, 32)]));
        var (key, message) = Assert.Single(RunRules.CheckShapes(spec.Method, [("q_proj", 64, 64), ("k_proj", 31, 64)]));
        Assert.Equal("method.lora_ga.initialization", key);
        Assert.Contains("k_proj is 31 × 64", message, StringComparison.Ordinal);
        Assert.Empty(RunRules.CheckShapes(spec.Method with { Name = MethodName.Lora }, [("k_proj", 31, 64)]));
    }

    [Theory]
    [InlineData("hybrid", 48, 64, "k_proj has 48 outputs, which block_size 8 × 2^(butterfly_factors 3 − 1) = 32 does not divide")]
    [InlineData("boft", 64, 48, "k_proj has 48 inputs")]
    [InlineData("boft", 48, 64, null)]
    [InlineData("lora", 48, 48, null)]
    public void Butterfly_groups_divide_the_rotated_side(string method, int d, int k, string? message)
    {
        var spec = RunFile.Parse(ValidRun.Text, "f.yaml", [$"method.name={method}"]);
        var broken = RunRules.CheckShapes(spec.Method, [("k_proj", d, k)]).ToArray();
        if (message is null) Assert.Empty(broken);
        else Assert.Contains(message, Assert.Single(broken).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{ mode: replace }", 64, 48, "k_proj is 64 × 48")]
    [InlineData("{ mode: replace }", 64, 64, null)]
    [InlineData("{}", 64, 47, "k_proj has 47 inputs")]
    [InlineData("{ kind: dense, block_size: 8 }", 64, 40, "k_proj has 40 inputs, 20 pairs, which 8 does not divide")]
    [InlineData("{ kind: dense, block_size: 8 }", 47, 48, null)]
    public void Unitary_maps_pair_the_inputs(string urnn, int d, int k, string? message)
    {
        var spec = RunFile.Parse(ValidRun.Text + $"\nmethod: {{ name: urnn, urnn: {urnn} }}\n", "f.yaml", []);
        var broken = RunRules.CheckShapes(spec.Method, [("k_proj", d, k)]).ToArray();
        if (message is null) Assert.Empty(broken);
        else Assert.Contains(message, Assert.Single(broken).Message, StringComparison.Ordinal);
    }
}
