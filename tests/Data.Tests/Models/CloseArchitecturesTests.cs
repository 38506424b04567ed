using System.Text.Json.Nodes;
using Peft.Orleans.Core;
using static Peft.Orleans.Data.Tests.Models.GatedConfigurations;

namespace Peft.Orleans.Data.Tests.Models;

/// <summary>Architectures that are nearly one of ours, and would be computed wrongly.</summary>
public sealed class CloseArchitecturesTests
{
    [Theory]
    [InlineData("gemma2", "Gemma2ForCausalLM", "weight + 1")]
    [InlineData("gemma3_text", "Gemma3ForCausalLM", "weight + 1")]
    [InlineData("phi", "PhiForCausalLM", "side by side")]
    [InlineData("phi3", "Phi3ForCausalLM", "LongRoPE")]
    [InlineData("mixtral", "MixtralForCausalLM", "mixture of experts")]
    [InlineData("qwen2_moe", "Qwen2MoeForCausalLM", "mixture of experts")]
    [InlineData("qwen3_moe", "Qwen3MoeForCausalLM", "mixture of experts")]
    [InlineData("olmo2", "Olmo2ForCausalLM", "norms")]
    [InlineData("falcon", "FalconForCausalLM", "side by side")]
    [InlineData("gpt_neox", "GPTNeoXForCausalLM", "turned in part")]
    [InlineData("cohere", "CohereForCausalLM", "multiplied logits")]
    [InlineData("llama4", "Llama4ForConditionalGeneration", "chunks")]
    [InlineData("deepseek_v3", "DeepseekV3ForCausalLM", "latent attention")]
    [InlineData("gpt2", "GPT2LMHeadModel", "learned positions")]
    public void A_close_architecture_is_refused_with_what_differs(string type, string architecture, string differs)
    {
        var config = Config("llama");
        config["model_type"] = type;
        config["architectures"] = new JsonArray(architecture);
        var message = Assert.Throws<PeftException>(() => Read(config)).Message;
        foreach (var part in (string[])["config.json", architecture, type, differs, "Qwen3ForCausalLM"])
            Assert.Contains(part, message, StringComparison.Ordinal);
    }
}
