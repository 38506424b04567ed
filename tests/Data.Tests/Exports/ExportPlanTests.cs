using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Exports;
using Peft.Orleans.Data.Tests.Adapters;

namespace Peft.Orleans.Data.Tests.Exports;

/// <summary>What an export does is decided before a silo starts or a folder is made.</summary>
public sealed class ExportPlanTests : IDisposable
{
    private readonly TemporaryFolder model = new();
    private readonly TemporaryFolder target = new();
    private readonly SavedAdapter adapter = new();

    /// <summary>A base model of the adapter's sizes.</summary>
    public ExportPlanTests()
    {
        model.Write("config.json", """
            {"model_type": "llama", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
             "num_key_value_heads": 2, "vocab_size": 100}
            """);
        adapter.Read();
    }

    [Fact]
    public void A_LoRA_adapter_is_copied_merged_or_approximated()
    {
        Assert.True(Of("adapter").Copies);
        Assert.True(Of("lora").Copies);
        Assert.Contains("adapter copied to", Of("adapter").Copy());
        Assert.True(File.Exists(target.File("adapter_config.json")));
        Assert.Contains("is not empty", Refusal("merged"));
        Directory.Delete(target.Path, recursive: true);
        Assert.Equal(["q_proj", "v_proj"], Of("merged").Method!.TargetModules);
        Assert.Equal(model.Path, Of("lora", rank: 16).Model!.Path);
        Assert.Contains("v_proj is 16 × 32, its rank is at most 16", Refusal("lora", rank: 17));
        Assert.False(Directory.Exists(target.Path));
        Directory.CreateDirectory(target.Path);
    }

    [Fact]
    public void What_cannot_be_exported_is_refused_with_what_to_give_instead()
    {
        Assert.Contains("--base DIR", Refusal("merged", basePath: "nowhere"));
        adapter.Without("base_model_name_or_path").Read();
        Assert.Contains(
            "--base DIR",
            Assert.Throws<PeftException>(() => ExportPlan.Of(adapter.Path, null, target.Path, "merged", null, null)).Message
        );
        adapter.Tensor("base_model.model.lm_head.weight", 100, 32).Read();
        Assert.Contains("lm_head", Refusal("merged"));
        Assert.Contains("lm_head", Refusal("lora", rank: 2));
        adapter.As("""{"peft_type": "HYBRID"}""").Read();
        Assert.Contains("--rank R", Refusal("lora"));
        using var empty = new TemporaryFolder();
        Assert.Contains(
            "neither an adapter",
            Assert.Throws<PeftException>(() => ExportPlan.Of(empty.Path, null, target.Path, "merged", null, null)).Message
        );
    }

    [Fact]
    public void The_model_of_method_full_is_copied()
    {
        Assert.True(ExportPlan.Of(model.Path, null, target.Path, "merged", null, WeightType.Float32).Copies);
        Assert.Contains(
            "--as merged",
            Assert.Throws<PeftException>(() => ExportPlan.Of(model.Path, null, target.Path, "lora", null, null)).Message
        );
        Assert.Contains(
            "--dtype",
            Assert.Throws<PeftException>(() => ExportPlan.Of(model.Path, null, target.Path, "merged", null, WeightType.BFloat16)).Message
        );
    }

    [Theory]
    [InlineData(4, "(vLLM: --max-lora-rank 8)")]
    [InlineData(16, "(vLLM: --max-lora-rank 16)")]
    [InlineData(17, "(vLLM: --max-lora-rank 32)")]
    [InlineData(300, "(vLLM: --max-lora-rank 320)")]
    [InlineData(513, "at most 512")]
    public void A_server_is_told_a_rank_that_it_has(int rank, string part)
    {
        Assert.Contains($"max_lora_rank ≥ {rank} ", ServedRank.Describe(rank));
        Assert.Contains(part, ServedRank.Describe(rank));
    }

    public void Dispose()
    {
        model.Dispose();
        target.Dispose();
        adapter.Dispose();
    }

    private ExportPlan Of(string kind, int? rank = null, string? basePath = null) =>
        ExportPlan.Of(adapter.Path, basePath ?? model.Path, target.Path, kind, rank, null);

    private string Refusal(string kind, int? rank = null, string? basePath = null) =>
        Assert.Throws<PeftException>(() => Of(kind, rank, basePath)).Message;
}
