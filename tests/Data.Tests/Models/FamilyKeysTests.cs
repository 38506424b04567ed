using System.Text.Json.Nodes;
using Peft.Orleans.Core;
using Peft.Orleans.Data.Models;
using static Peft.Orleans.Data.Tests.Models.GatedConfigurations;

namespace Peft.Orleans.Data.Tests.Models;

/// <summary>
/// Every key of a family's configuration class is accounted for: another value of it changes what is described, or is refused by name,
/// unless the reference computes the same whatever it says. The classes are transformers': LlamaConfig, MistralConfig, Qwen2Config and
/// Qwen3Config of release 5, and the keys of releases before.
/// </summary>
public sealed class FamilyKeysTests
{
    private static readonly string[] Common =
    [
        "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim",
        "hidden_act", "max_position_embeddings", "initializer_range", "rms_norm_eps", "tie_word_embeddings", "rope_parameters",
        "rope_theta", "rope_scaling", "attention_dropout", "eos_token_id", "dtype", "torch_dtype",
    ];

    // They change no result: how generation keeps keys, how an older release sliced products, tokens that tokenizer and collator add.
    private static readonly string[] Harmless = ["use_cache", "pretraining_tp", "pad_token_id", "bos_token_id", "transformers_version"];

    private static readonly Dictionary<string, string[]> Classes = new()
    {
        ["llama"] = [.. Common, "attention_bias", "mlp_bias"],
        ["mistral"] = [.. Common, "sliding_window"],
        ["qwen2"] = [.. Common, "use_sliding_window", "sliding_window", "max_window_layers", "layer_types"],
        ["qwen3"] = [.. Common, "use_sliding_window", "sliding_window", "max_window_layers", "layer_types", "attention_bias"],
    };

    private static readonly Dictionary<string, string> Others = new()
    {
        ["vocab_size"] = "99",
        ["hidden_size"] = "32",
        ["intermediate_size"] = "96",
        ["num_hidden_layers"] = "4",
        ["num_attention_heads"] = "4",
        ["num_key_value_heads"] = "1",
        ["head_dim"] = "32",
        ["hidden_act"] = "\"gelu\"",
        ["max_position_embeddings"] = "99",
        ["initializer_range"] = "0.5",
        ["rms_norm_eps"] = "0.5",
        ["tie_word_embeddings"] = "true",
        ["rope_parameters"] = """{"rope_type":"linear","factor":2,"rope_theta":10000}""",
        ["rope_theta"] = "77",
        ["rope_scaling"] = """{"type":"linear","factor":2}""",
        ["attention_dropout"] = "0.5",
        ["eos_token_id"] = "[7]",
        ["dtype"] = "\"bfloat16\"",
        ["torch_dtype"] = "\"bfloat16\"",
        ["attention_bias"] = "true",
        ["mlp_bias"] = "true",
        ["sliding_window"] = "5",
        ["use_sliding_window"] = "false",
        ["max_window_layers"] = "0",
        ["layer_types"] = """["sliding_attention","full_attention","full_attention"]""",
    };

    public static TheoryData<string, string> Keys
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var (family, keys) in Classes)
            {
                foreach (var key in keys) data.Add(family, key);
            }

            return data;
        }
    }

    public static TheoryData<string, string> ForeignToAll
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var (family, keys) in Classes)
            {
                foreach (var key in ForeignKeys.Keys.Except(keys)) data.Add(family, key);
            }

            return data;
        }
    }

    [Theory, MemberData(nameof(Keys))]
    public void Another_value_changes_the_description_or_is_refused(string family, string key)
    {
        var config = Config(family);
        var before = Described(config);
        config[key] = JsonNode.Parse(Others[key]);
        string after;
        try
        {
            after = Described(config);
        }
        catch (PeftException error)
        {
            Assert.Contains(key, error.Message, StringComparison.Ordinal);
            return;
        }

        Assert.NotEqual(before, after);
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("mistral")]
    [InlineData("qwen2")]
    [InlineData("qwen3")]
    public void What_changes_no_result_changes_nothing(string family)
    {
        var before = Described(Config(family));
        foreach (var key in Harmless)
        {
            var config = Config(family);
            config[key] = key == "use_cache" ? JsonValue.Create(false) : JsonValue.Create(2);
            Assert.Equal(before, Described(config));
        }
    }

    [Theory, MemberData(nameof(ForeignToAll))]
    public void Keys_of_other_families_are_refused_where_they_say_something(string family, string key)
    {
        var config = Config(family);
        var before = Described(config);
        foreach (var neutral in (JsonNode?[])[null, Neutral(key)])
        {
            config[key] = neutral;
            Assert.Equal(before, Described(config));
        }

        config[key] = key switch
        {
            "attention_bias" or "qkv_bias" or "use_qkv_bias" when family == "qwen2" => false,
            "layer_types" => new JsonArray("full_attention", "sliding_attention", "full_attention"),
            "position_embedding_type" => "alibi",
            _ => 0.5,
        };
        var error = Assert.Throws<PeftException>(() => Described(config));
        Assert.Contains($"config.json: {key} is ", error.Message, StringComparison.Ordinal);

        JsonNode Neutral(string name) => name switch
        {
            "attention_bias" or "qkv_bias" or "use_qkv_bias" => family == "qwen2",
            "layer_types" => new JsonArray("full_attention", "full_attention", "full_attention"),
            "position_embedding_type" => "rope",
            "partial_rotary_factor" or "rotary_pct" or "rope_pct" => 1.0,
            "logits_scaling" or "logit_scale" or "lm_head_multiplier" or "embedding_multiplier" or "scale_emb" or "residual_multiplier" => 1,
            _ => false,
        };
    }

    [Theory]
    [InlineData("mistral", 8, null)]
    [InlineData("qwen2", 32, null)]
    [InlineData("qwen3", 32, 128)]
    public void Absent_keys_have_the_defaults_of_the_familys_class(string family, int keyValueHeads, int? headDim)
    {
        var config = Config(family);
        config["num_attention_heads"] = 32;
        foreach (var key in (string[])["num_key_value_heads", "head_dim", "sliding_window", "max_position_embeddings", "rms_norm_eps"])
            config.Remove(key);
        var read = Read(config);
        Assert.Equal(keyValueHeads, read.NumKeyValueHeads);
        Assert.Equal(headDim ?? read.HiddenSize / 32, read.HeadDim);
        Assert.Equal(4096, read.SlidingWindow);
        Assert.Equal(family == "mistral" ? 131072 : 32768, read.MaxPositionEmbeddings);
        Assert.Equal(1e-6, read.RmsNormEps);

        config["num_key_value_heads"] = null;
        config["sliding_window"] = null;
        Assert.Equal(32, Read(config).NumKeyValueHeads);
        Assert.Null(Read(config).SlidingWindow);
    }

    [Fact]
    public void Windows_are_in_the_layers_that_have_them()
    {
        var config = Config("qwen2");
        config["use_sliding_window"] = true;
        config["max_window_layers"] = 1;
        Assert.Equal([null, 4, 4], Windows());
        config["layer_types"] = new JsonArray("sliding_attention", "full_attention", "full_attention");
        Assert.Equal([4, null, null], Windows());
        config["layer_types"] = new JsonArray("sliding_attention", "chunked_attention", "full_attention");
        Assert.Contains("chunked_attention", Assert.Throws<PeftException>(() => Windows()).Message, StringComparison.Ordinal);
        config["layer_types"] = new JsonArray("sliding_attention");
        Assert.Contains("lists 1 layers", Assert.Throws<PeftException>(() => Windows()).Message, StringComparison.Ordinal);
        config.Remove("layer_types");
        config["use_sliding_window"] = false;
        Assert.Equal([null, null, null], Windows());

        int?[] Windows()
        {
            var read = Read(config);
            return [.. Enumerable.Range(0, read.NumHiddenLayers).Select(read.WindowOf)];
        }
    }

    [Theory]
    [InlineData("""{"sliding_window": null}""", true)]
    [InlineData("""{"sliding_window": 256}""", true)]
    [InlineData("""{"sliding_window": 4096}""", true)]
    [InlineData("""{"sliding_window": 4, "use_sliding_window": false}""", true)]
    [InlineData("""{"sliding_window": 255}""", false)]
    [InlineData("""{"sliding_window": 4, "use_sliding_window": null}""", false)]
    [InlineData("""{"sliding_window": 4096, "max_position_embeddings": null}""", false)]
    public void A_window_beyond_all_positions_is_none_where_a_family_has_no_windows(string keys, bool accepted)
    {
        var config = Config("llama");
        var before = Described(config);
        foreach (var (key, value) in JsonNode.Parse(keys)!.AsObject()) config[key] = value?.DeepClone();
        if (accepted)
        {
            Assert.Equal(before, Described(config));
            return;
        }

        var error = Assert.Throws<PeftException>(() => Described(config));
        Assert.Contains("unless it is at least max_position_embeddings", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_first_Llama_is_read_as_it_was_saved()
    {
        var config = Config("llama");
        config["architectures"] = new JsonArray("LLaMAForCausalLM");
        foreach (var key in (string[])["num_key_value_heads", "head_dim", "rms_norm_eps", "rope_theta", "max_position_embeddings"])
            config.Remove(key);
        config["max_sequence_length"] = 2048;
        config["torch_dtype"] = "float16";
        config["pad_token_id"] = -1;
        var read = Read(config);
        Assert.Equal((8, 8, 1e-6, 10000.0), (read.NumKeyValueHeads, read.HeadDim, read.RmsNormEps, read.RopeTheta));
    }
}
