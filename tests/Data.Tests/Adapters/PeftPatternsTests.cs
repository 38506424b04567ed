using Peft.Orleans.Core.Methods;

namespace Peft.Orleans.Data.Tests.Adapters;

/// <summary>Ranks and α of single modules, by PEFT's rule, in an adapter and in a run that starts from it.</summary>
public class PeftPatternsTests
{
    private static MethodSpec Run { get; } =
        new() { Name = MethodName.Lora, TargetModules = ["q_proj", "v_proj"], Lora = new LoraSpec { Rank = 2, Alpha = 4 } };

    // As re.match(rf"(.*\.)?({key})$", name) finds them, the first key that matches.
    [Theory]
    [InlineData("q_proj", 8)]
    [InlineData("self_attn.q_proj", 8)]
    [InlineData("model.layers.3.self_attn.q_proj", 8)]
    [InlineData("proj", 2)]
    [InlineData(".*proj", 8)]
    [InlineData("^q_proj", 2)]
    [InlineData("^model.*q_proj", 8)]
    [InlineData("q_proj$", 8)]
    [InlineData("layers.*", 8)]
    [InlineData("layers\\.[0-2]\\..*", 2)]
    [InlineData("layers\\.(?P<at>3)\\.self_attn\\.(q|v)_proj", 8)]
    [InlineData("q_proj|v_proj", 8)]
    [InlineData("self_attn", 2)]
    public void A_pattern_matches_the_end_of_a_name_from_a_dot_on(string pattern, int rank)
    {
        var method = Run with { Lora = Run.Lora with { RankPattern = [new ModulePattern(pattern, 8)] } };
        Assert.Equal(rank, method.At("model.layers.3.self_attn.q_proj").Lora.Rank);
        Assert.Equal(4, method.At("model.layers.3.self_attn.q_proj").Lora.Alpha);
    }

    [Fact]
    public void The_first_pattern_that_matches_counts_for_rank_and_alpha_apart()
    {
        using var adapter = new SavedAdapter(tensors: false);
        adapter.Lora(0, "self_attn.q_proj", 32, 32, rank: 5).Lora(1, "self_attn.q_proj", 32, 32, rank: 3);
        adapter.Lora(0, "self_attn.v_proj", 16, 32).Lora(1, "self_attn.v_proj", 16, 32);
        adapter.With("""{"rank_pattern": {"layers.0.*q_proj": 5, "q_proj": 3}, "alpha_pattern": {"v_proj": 2.5}}""");
        var method = adapter.Method();
        Assert.Equal(["q_proj", "v_proj"], method.TargetModules);
        Assert.Equal((5, 4.0), Of("model.layers.0.self_attn.q_proj"));
        Assert.Equal((3, 4.0), Of("model.layers.1.self_attn.q_proj"));
        Assert.Equal((2, 2.5), Of("model.layers.1.self_attn.v_proj"));
        Assert.Contains("[3, 32]", adapter.With("""{"rank_pattern": {"q_proj": 3, "layers.0.*q_proj": 5}}""").Refusal());

        (int Rank, double Alpha) Of(string module) => (method.At(module).Lora.Rank, method.At(module).Lora.Alpha);
    }

    [Theory]
    [InlineData("""{"rank_pattern": {"(": 4}}""", "rank_pattern.( is 4")]
    [InlineData("""{"rank_pattern": {"q_proj": 0}}""", "rank_pattern.q_proj is 0")]
    [InlineData("""{"rank_pattern": {"q_proj": 2.5}}""", "rank_pattern.q_proj is 2.5")]
    [InlineData("""{"rank_pattern": 4}""", "rank_pattern is 4")]
    [InlineData("""{"alpha_pattern": {"q_proj": -1}}""", "alpha_pattern.q_proj is -1")]
    [InlineData("""{"alpha_pattern": {"q_proj": "4"}}""", "alpha_pattern.q_proj is \"4\"")]
    public void A_pattern_that_is_none_is_refused_by_key(string keys, string part)
    {
        using var adapter = new SavedAdapter();
        var message = adapter.With(keys).Refusal();
        Assert.Contains(adapter.ConfigFile, message);
        Assert.Contains(part, message);
    }

    [Fact]
    public void A_run_that_starts_from_it_has_its_ranks_and_layers()
    {
        using var adapter = new SavedAdapter();
        adapter.Drop("layers.1.self_attn.q_proj").With("""{"exclude_modules": ".*1.*q_proj", "alpha_pattern": {"v_proj": 16}}""");
        adapter.Start(Run);
        var started = adapter.Read().Adopt(Run, SavedAdapter.Model);
        Assert.Equal(["model.layers.0.self_attn.q_proj", "v_proj"], started.TargetModules);
        Assert.Equal(16, started.At("model.layers.1.self_attn.v_proj").Lora.Alpha);
        adapter.Start(started);
        var other = Run with { Lora = Run.Lora with { AlphaPattern = [new ModulePattern("v_proj", 8)] } };
        Assert.Contains("method.lora.alpha_pattern gives model.layers.0.self_attn.v_proj rank 2 and alpha 8", adapter.StartRefusal(other));
        Assert.Contains(
            "method.target_modules", adapter.StartRefusal(Run with { TargetModules = ["layers.0.self_attn.q_proj", "v_proj", "k_proj"] }));
    }
}
