using System.Text.Json.Nodes;
using Peft.Orleans.Core;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Models.Gated;
using Peft.Orleans.Data.Models.Rope;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Data.Tests.Models;

/// <summary>RoPE in config.json: both spellings, defaults, and what is refused.</summary>
public sealed class RopeReaderTests
{
    [Theory]
    [InlineData("""{"rope_type":"linear","factor":4.0}""")]
    [InlineData("""{"rope_type":"dynamic","factor":2.0}""")]
    [InlineData("""{"rope_type":"yarn","factor":4.0,"original_max_position_embeddings":64,"finetuned":true}""")]
    [InlineData("""{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0}""")]
    public void All_spellings_are_one(string scaling)
    {
        var newer = JsonNode.Parse(scaling)!.AsObject();
        newer["rope_theta"] = 5e5;
        var expected = Read($"\"rope_parameters\":{newer.ToJsonString()}");
        Assert.NotEqual(RopeKind.None, expected.Scaling.Kind);
        Assert.Equal(5e5, expected.Theta);
        Assert.Equal(expected, Read($"\"rope_theta\":5e5,\"rope_scaling\":{scaling}"));
        var older = scaling.Replace("rope_type", "type", StringComparison.Ordinal);
        Assert.Equal(expected, Read($"\"rope_theta\":5e5,\"rope_scaling\":{older}"));
        Assert.Equal(expected, Read($"\"rope_theta\":5e5,\"rope_scaling\":{scaling},\"rope_parameters\":{newer.ToJsonString()}"));
    }

    [Theory]
    // 0.1 ln 4 + 1, unless given, or a quotient of two such.
    [InlineData("\"factor\":4", 1.138629436111989)]
    [InlineData("\"factor\":4,\"attention_factor\":1.5", 1.5)]
    [InlineData("\"factor\":4,\"mscale\":0.707,\"mscale_all_dim\":0.707", 1)]
    [InlineData("\"factor\":4,\"mscale\":1,\"mscale_all_dim\":0.5", 1.138629436111989 / 1.0693147180559945)]
    [InlineData("\"factor\":4,\"mscale\":2", 1.138629436111989)]
    [InlineData("\"factor\":0.5", 1)]
    [InlineData("\"original_max_position_embeddings\":64", 1.138629436111989)]
    public void Yarns_attention_factor(string keys, double expected)
    {
        var (_, scaling) = Read($"\"rope_scaling\":{{\"type\":\"yarn\",{keys}}}");
        Assert.Equal(expected, scaling.AttentionFactor, 1e-12);
    }

    [Fact]
    public void Defaults_and_options_of_yarn()
    {
        var (theta, plain) = Read("\"rope_scaling\":{\"type\":\"yarn\",\"factor\":2}");
        Assert.Equal(10000, theta);
        Assert.Equal(
            (32.0, 1.0, true, 256), (plain.BetaFast, plain.BetaSlow, plain.Truncate, plain.OriginalMaxPositionEmbeddings));
        var (_, given) = Read(
            "\"rope_scaling\":{\"type\":\"yarn\",\"factor\":2,\"beta_fast\":16,\"beta_slow\":2,"
                + "\"truncate\":false,\"original_max_position_embeddings\":32}");
        Assert.Equal((16.0, 2.0, false, 32), (given.BetaFast, given.BetaSlow, given.Truncate, given.OriginalMaxPositionEmbeddings));
    }

    [Theory]
    [InlineData("\"rope_theta\":1,\"rope_parameters\":{\"rope_theta\":2}", "rope_theta is 2; elsewhere in the file it is 1")]
    [InlineData(
        "\"rope_scaling\":{\"type\":\"linear\",\"factor\":2},\"rope_parameters\":{\"rope_type\":\"default\"}",
        "rope_parameters says otherwise")]
    [InlineData("\"rope_scaling\":{\"type\":\"linear\",\"rope_type\":\"dynamic\",\"factor\":2}", "rope_scaling.type is \"linear\"")]
    [InlineData(
        "\"rope_scaling\":{\"type\":\"linear\",\"factor\":2,\"beta_fast\":3}",
        "rope_scaling.beta_fast is 3; RoPE kind linear does not")]
    [InlineData("\"rope_scaling\":{\"type\":\"linear\",\"factor\":0}", "factor of RoPE is 0; it must be positive")]
    [InlineData("\"rope_scaling\":{\"type\":\"linear\",\"factor\":2,\"partial_rotary_factor\":0.5}", "partial_rotary_factor")]
    [InlineData("\"rope_scaling\":{\"factor\":2}", "rope_scaling.factor is 2; RoPE kind default does not read it")]
    [InlineData("\"rope_scaling\":{\"type\":\"su\",\"long_factor\":[1]}", "RoPE kind su is not supported")]
    [InlineData("\"rope_scaling\":{\"type\":\"mrope\",\"mrope_section\":[16,24,24]}", "RoPE kind mrope is not supported")]
    [InlineData(
        "\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2,\"original_max_position_embeddings\":64}",
        "the original length is max_position")]
    [InlineData("\"rope_scaling\":{\"type\":\"yarn\",\"factor\":2,\"beta_fast\":1,\"beta_slow\":2}", "rope_scaling.beta_fast")]
    [InlineData("\"rope_theta\":1,\"rope_scaling\":{\"type\":\"yarn\",\"factor\":2}", "needs one above 1")]
    [InlineData("\"rope_theta\":-1", "rope_theta of RoPE is -1")]
    [InlineData("\"rope_parameters\":{\"full_attention\":{\"rope_type\":\"default\"}}", "full_attention")]
    public void What_cannot_be_meant_is_refused_by_key(string keys, string part)
    {
        var error = Assert.Throws<PeftException>(() => Read(keys));
        Assert.Contains("config.json", error.Message, StringComparison.Ordinal);
        Assert.Contains(part, error.Message, StringComparison.Ordinal);
    }

    private static (double Theta, RopeScaling Scaling) Read(string keys)
    {
        using var folder = new TemporaryFolder();
        folder.Write("config.json", $$"""
            {"model_type":"llama","architectures":["LlamaForCausalLM"],"hidden_size":64,"intermediate_size":128,
             "num_hidden_layers":2,"num_attention_heads":4,"vocab_size":100,"max_position_embeddings":256,{{keys}}}
            """);
        var config = ModelFolder.Open(folder.Path).Config<GatedConfig>();
        return (config.RopeTheta, config.RopeScaling);
    }
}
