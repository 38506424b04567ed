namespace Peft.Orleans.Data.Tests.Adapters;

/// <summary>Which modules an adapter changes, and that nothing in its file is passed over.</summary>
public class AdapterPlacesTests
{
    [Theory]
    [InlineData("""[".*", "q_proj", "v_proj"]""")]
    [InlineData("""["self_attn.q_proj", "self_attn.v_proj"]""")]
    [InlineData(
        """["model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj", "model.layers.0.self_attn.v_proj", "layers.1.self_attn.v_proj"]"""
    )]
    [InlineData("""["q_proj", "v_proj", "query_key_value", "up_proj"]""")]
    [InlineData("\".*\\\\.self_attn\\\\.(q|v)_proj\"")]
    [InlineData(
        "\"(?:.*?(?:self_attn|mlp).*?(?:q_proj|k_proj|v_proj|o_proj).*?)|(?:model\\\\.layers\\\\.[\\\\d]{1,}\\\\.mlp\\\\.up_proj)\""
    )]
    [InlineData("\"all-linear\"")]
    [InlineData("\"All-Linear\"")]
    [InlineData("null")]
    public void The_tensors_say_which_modules_it_has(string targets)
    {
        using var adapter = new SavedAdapter();
        Assert.Equal(["q_proj", "v_proj"], adapter.With($$"""{"target_modules": {{targets}}}""").Method().TargetModules);
    }

    [Theory]
    [InlineData("""{"target_modules": ["q_proj"]}""", "target_modules is [\"q_proj\"]", "v_proj")]
    [InlineData("""{"target_modules": []}""", "target_modules is []", "q_proj")]
    [InlineData("""{"target_modules": "q_proj"}""", "target_modules is \"q_proj\"", "q_proj")]
    [InlineData("""{"target_modules": "model.*q_proj"}""", "target_modules is", "v_proj")]
    [InlineData("""{"target_modules": ["proj"]}""", "target_modules is", "q_proj")]
    [InlineData("""{"exclude_modules": ["v_proj"]}""", "exclude_modules is", "v_proj")]
    [InlineData("""{"exclude_modules": ".*1.*v_proj"}""", "exclude_modules is", "layers.1.self_attn.v_proj")]
    [InlineData("""{"layers_to_transform": [0]}""", "layers_to_transform is [0]", "layers.1")]
    [InlineData("""{"layers_to_transform": 1, "layers_pattern": "layers"}""", "layers_to_transform is 1", "layers.0")]
    public void Tensors_that_PEFT_would_leave_out_are_refused_with_the_key(string keys, string key, string module)
    {
        using var adapter = new SavedAdapter();
        var message = adapter.With(keys).Refusal();
        Assert.Contains(adapter.ConfigFile, message);
        Assert.Contains(key, message);
        Assert.Contains(module, message);
    }

    [Fact]
    public void All_layers_named_are_all_layers()
    {
        using var adapter = new SavedAdapter();
        Assert.Equal(
            ["q_proj", "v_proj"],
            adapter.With("""{"layers_to_transform": [0, 1], "exclude_modules": ["o_proj"]}""").Method().TargetModules
        );
    }

    [Fact]
    public void An_adapter_of_some_layers_has_its_modules_by_their_whole_names_where_its_configuration_says_so()
    {
        using var adapter = new SavedAdapter();
        adapter.Drop("layers.1");
        Assert.Contains(SavedAdapter.Name(1, "self_attn.q_proj.lora_A.weight"), adapter.Refusal());
        string[] first = ["model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.v_proj"];
        Assert.Equal(first, adapter.With("""{"layers_to_transform": [0]}""").Method().TargetModules);
        Assert.Equal(first, adapter.With("""{"layers_to_transform": null, "exclude_modules": ".*1.*"}""").Method().TargetModules);
        adapter.With("""{"exclude_modules": null, "target_modules": "model\\.layers\\.0\\.self_attn\\.(?P<which>q|v)_proj"}""");
        Assert.Equal(first, adapter.Method().TargetModules);
        using var mixed = new SavedAdapter();
        mixed.Drop("layers.1.self_attn.v_proj").With("""{"exclude_modules": ["layers.1.self_attn.v_proj"]}""");
        Assert.Equal(["q_proj", "model.layers.0.self_attn.v_proj"], mixed.Method().TargetModules);
    }

    [Theory]
    [InlineData("base_model.model.model.", ".lora_A.weight", ".lora_B.weight")]
    [InlineData("base_model.model.model.", ".lora_A.default.weight", ".lora_B.default.weight")]
    [InlineData("base_model.model.model.", ".lora_A.mine.weight", ".lora_B.mine.weight")]
    [InlineData("base_model.model.", ".lora_A.weight", ".lora_B.weight")]
    [InlineData("base_model.", ".lora_A.weight", ".lora_B.weight")]
    [InlineData("model.", ".lora_A.weight", ".lora_B.weight")]
    [InlineData("", ".lora_A.default.weight", ".lora_B.default.weight")]
    public void Older_spellings_of_names_are_the_same_tensors(string prefix, string down, string up)
    {
        using var adapter = new SavedAdapter(tensors: false);
        for (var layer = 0; layer < 2; layer++)
        {
            var module = $"{prefix}layers.{layer}.self_attn.q_proj";
            adapter.Tensor(module + down, 2, 32).Tensor(module + up, 32, 2);
        }

        Assert.Equal(["q_proj"], adapter.Method().TargetModules);
        Assert.Equal(2, adapter.Read().Tensors[SavedAdapter.Name(1, "self_attn.q_proj.lora_A.weight")].Shape[0]);
    }

    [Fact]
    public void The_magnitudes_of_DoRA_and_rotations_had_other_names_too()
    {
        foreach (var spelling in (string[])["", ".weight", ".default", ".default.weight"])
        {
            using var dora = new SavedAdapter().With("""{"use_dora": true}""");
            foreach (var (module, size) in new[] { ("q_proj", 32), ("v_proj", 16) })
            {
                for (var layer = 0; layer < 2; layer++)
                    dora.Tensor(SavedAdapter.Name(layer, $"self_attn.{module}.lora_magnitude_vector{spelling}"), size);
            }

            Assert.True(dora.Method().Lora.Dora);
        }

        using var boft = new SavedAdapter(tensors: false);
        for (var layer = 0; layer < 2; layer++)
            boft.Tensor(SavedAdapter.Name(layer, "self_attn.v_proj.boft_R.default"), 1, 8, 4, 4)
                .Tensor(SavedAdapter.Name(layer, "self_attn.v_proj.boft_s.default"), 16, 1);
        Assert.Equal(["v_proj"], boft.As("""{"peft_type": "BOFT", "target_modules": ["v_proj"]}""").Method().TargetModules);
    }

    [Theory]
    [InlineData("base_model.model.model.embed_tokens.weight")]
    [InlineData("base_model.model.lm_head.weight")]
    [InlineData("base_model.model.model.embed_tokens.lora_embedding_A")]
    [InlineData("base_model.model.lm_head.lora_A.weight")]
    [InlineData("base_model.model.model.norm.weight")]
    [InlineData("base_model.model.score.weight")]
    [InlineData("base_model.model.model.layers.0.input_layernorm.weight")]
    [InlineData("base_model.model.model.layers.2.self_attn.q_proj.lora_A.weight")]
    [InlineData("base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight")]
    [InlineData("base_model.model.model.layers.0.self_attn.q_proj.lora_B.bias")]
    [InlineData("base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector")]
    [InlineData("base_model.model.model.layers.0.self_attn.q_proj.bias")]
    [InlineData("base_model.model.model.layers.0.lambda")]
    [InlineData("base_model.model.transformer.h.0.attn.c_attn.lora_A.weight")]
    [InlineData("model.layers.0.self_attn.q_proj.lora_A.weight")]
    [InlineData("lora_A")]
    public void A_tensor_without_a_place_is_refused_by_name(string name)
    {
        using var adapter = new SavedAdapter();
        var message = adapter.Tensor(name, 2, 32).Refusal();
        Assert.Contains(adapter.Path, message);
        Assert.Contains($"'{name}'", message);
    }

    [Fact]
    public void A_tensor_that_is_missing_or_of_another_model_is_refused_by_name()
    {
        using var adapter = new SavedAdapter();
        Assert.Contains("lora_magnitude_vector", adapter.With("""{"use_dora": true}""").Refusal());
        adapter.With("""{"use_dora": false}""").Drop("layers.1.self_attn.v_proj.lora_B");
        Assert.Contains("layers.1.self_attn.v_proj.lora_B.weight", adapter.Refusal());
        using var wide = new SavedAdapter();
        wide.Lora(0, "self_attn.q_proj", 48, 48);
        Assert.Contains("q_proj of [32, 32]", wide.Refusal());
        using var empty = new SavedAdapter(tensors: false);
        Assert.Contains("there is no tensor", empty.Refusal());
    }
}
