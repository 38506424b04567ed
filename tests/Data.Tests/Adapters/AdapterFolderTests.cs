using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Data.Adapters;
using Peft.Orleans.Data.SafeTensors;

namespace Peft.Orleans.Data.Tests.Adapters;

/// <summary>What adapter_config.json says, with PEFT's defaults, and what of it is refused.</summary>
public class AdapterFolderTests
{
    [Fact]
    public void A_folder_of_PEFTs_gives_method_and_modules()
    {
        using var adapter = new SavedAdapter();
        var method = adapter.With("""{"use_rslora": true}""").Method();
        Assert.Equal(MethodName.Lora, method.Name);
        Assert.Equal(new LoraSpec { Rank = 2, Alpha = 4, Rslora = true }, method.Lora);
        Assert.Equal(["q_proj", "v_proj"], method.TargetModules);
        Assert.Equal(adapter.Path, method.InitialAdapter);
        Assert.Equal("base", adapter.Read().BaseModel);
    }

    [Theory]
    [InlineData("lora_alpha")]
    [InlineData("use_rslora")]
    [InlineData("use_dora")]
    [InlineData("target_modules")]
    [InlineData("init_lora_weights")]
    [InlineData("bias")]
    public void A_key_that_is_absent_or_null_has_PEFTs_default(string key)
    {
        using var adapter = new SavedAdapter();
        var expected = adapter.With("""{"lora_alpha": 8}""").Method();
        foreach (var method in new[] { adapter.With($$"""{"{{key}}": null}""").Method(), adapter.Without(key).Method() })
        {
            Assert.Equal(expected.Lora, method.Lora);
            Assert.Equal(expected.TargetModules, method.TargetModules);
        }
    }

    [Fact]
    public void The_default_rank_is_PEFTs_and_is_told_where_the_tensors_have_another()
    {
        using var adapter = new SavedAdapter();
        var message = adapter.Without("r").Refusal();
        Assert.Contains("adapter_config.json", message);
        Assert.Contains("r is 8 (PEFT's default)", message);
        Assert.Contains("[2, 32]", message);
        using var eight = new SavedAdapter(tensors: false);
        for (var layer = 0; layer < 2; layer++) eight.Lora(layer, "self_attn.q_proj", 32, 32, rank: 8);
        Assert.Equal(8, eight.Without("r").Method().Lora.Rank);
    }

    [Theory]
    [InlineData("""{"r": "2"}""", "r is \"2\"")]
    [InlineData("""{"r": 2.5}""", "r is 2.5")]
    [InlineData("""{"r": 0}""", "r is 0")]
    [InlineData("""{"r": -4}""", "r is -4")]
    [InlineData("""{"r": 1e99}""", "r is 1e99")]
    [InlineData("""{"r": {"q_proj": 2}}""", "r is {")]
    [InlineData("""{"lora_alpha": "16"}""", "lora_alpha is \"16\"")]
    [InlineData("""{"lora_alpha": 0}""", "lora_alpha is 0")]
    [InlineData("""{"lora_alpha": true}""", "lora_alpha is true")]
    [InlineData("""{"use_rslora": "yes"}""", "use_rslora is \"yes\"")]
    [InlineData("""{"use_dora": 1}""", "use_dora is 1")]
    [InlineData("""{"target_modules": 5}""", "target_modules is 5")]
    [InlineData("""{"target_modules": ["q_proj", 3]}""", "target_modules is [")]
    [InlineData("""{"target_modules": {"q_proj": 1}}""", "target_modules is {")]
    [InlineData("""{"target_modules": "("}""", "target_modules is \"(\"")]
    [InlineData("""{"exclude_modules": "("}""", "exclude_modules is \"(\"")]
    [InlineData("""{"layers_to_transform": "0"}""", "layers_to_transform is \"0\"")]
    [InlineData("""{"peft_type": 3}""", "peft_type is 3")]
    [InlineData("""{"peft_type": "lora"}""", "peft_type is \"lora\"")]
    [InlineData("""{"peft_type": "VERA"}""", "peft_type is \"VERA\"")]
    [InlineData("""{"bias": 3}""", "bias is 3")]
    [InlineData("""{"init_lora_weights": 3}""", "init_lora_weights is 3")]
    [InlineData("""{"method": 3}""", "method is 3")]
    [InlineData("""{"method": {"name": "lora", "lora": {"rank": "x"}}}""", "method.lora.rank")]
    [InlineData("""{"method": {"name": "hybrid"}}""", "peft_type is \"LORA\"")]
    public void A_value_of_another_kind_is_refused_with_file_and_key(string keys, string part)
    {
        using var adapter = new SavedAdapter();
        var message = adapter.With(keys).Refusal();
        Assert.Contains(adapter.ConfigFile, message);
        Assert.Contains(part, message);
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("3")]
    [InlineData("null")]
    [InlineData("")]
    [InlineData("{\"peft_type\": ")]
    [InlineData("{}")]
    [InlineData("{\"peft_type\": \"\\ud800\"}")]
    [InlineData("{\"peft_type\": \"LORA\", \"target_modules\": \"\\udc00\"}")]
    public void A_file_that_is_no_configuration_is_refused_by_name(string text)
    {
        using var folder = new TemporaryFolder();
        var file = folder.Write("adapter_config.json", text);
        Assert.Contains(file, Assert.Throws<PeftException>(() => AdapterFolder.Read(folder.Path)).Message);
        File.WriteAllBytes(file, [(byte)'{', (byte)'"', 0xff, (byte)'"', (byte)':', (byte)'1', (byte)'}']);
        Assert.Contains(file, Assert.Throws<PeftException>(() => AdapterFolder.Read(folder.Path)).Message);
    }

    [Theory]
    [InlineData("""{"modules_to_save": ["lm_head"]}""")]
    [InlineData("""{"bias": "all"}""")]
    [InlineData("""{"bias": "lora_only"}""")]
    [InlineData("""{"lora_bias": true}""")]
    [InlineData("""{"layer_replication": [[0, 2]]}""")]
    [InlineData("""{"target_parameters": ["w"]}""")]
    [InlineData("""{"trainable_token_indices": [1]}""")]
    [InlineData("""{"alora_invocation_tokens": [1]}""")]
    [InlineData("""{"use_qalora": true}""")]
    [InlineData("""{"megatron_config": {"a": 1}}""")]
    [InlineData("""{"what_is_to_come": true}""")]
    [InlineData("""{"init_lora_weights": "pissa"}""")]
    [InlineData("""{"init_lora_weights": "pissa_niter_16"}""")]
    [InlineData("""{"init_lora_weights": "olora"}""")]
    [InlineData("""{"init_lora_weights": "OLoRA"}""")]
    [InlineData("""{"init_lora_weights": "corda"}""")]
    [InlineData("""{"init_lora_weights": "loftq"}""")]
    [InlineData("""{"init_lora_weights": "lora_ga"}""")]
    public void A_key_that_changes_what_is_computed_is_refused_by_name(string keys)
    {
        using var adapter = new SavedAdapter();
        var message = adapter.With(keys).Refusal();
        Assert.Contains(adapter.ConfigFile, message);
        Assert.Contains(keys.Split('"')[1] + " is ", message);
    }

    [Theory]
    [InlineData("""{"init_lora_weights": false}""")]
    [InlineData("""{"init_lora_weights": "gaussian"}""")]
    [InlineData("""{"init_lora_weights": "eva", "eva_config": {"rho": 2.0}}""")]
    [InlineData("""{"init_lora_weights": "orthogonal"}""")]
    [InlineData("""{"init_lora_weights": "mica"}""")]
    [InlineData("""{"fan_in_fan_out": true}""")]
    [InlineData("""{"what_is_to_come": false, "more": [], "and_more": null}""")]
    [InlineData("""{"auto_mapping": {"base_model_class": "LlamaForCausalLM"}, "revision": "main", "qalora_group_size": 16}""")]
    public void A_key_that_changes_nothing_is_none_of_our_business(string keys)
    {
        using var adapter = new SavedAdapter();
        Assert.Equal(2, adapter.With(keys).Method().Lora.Rank);
    }

    [Fact]
    public void Pickled_weights_are_refused_with_the_way_to_convert_them()
    {
        using var adapter = new SavedAdapter();
        adapter.Read();
        File.Move(Path.Combine(adapter.Path, "adapter_model.safetensors"), Path.Combine(adapter.Path, "adapter_model.bin"));
        var message = Assert.Throws<PeftException>(() => AdapterFolder.Read(adapter.Path)).Message;
        Assert.Contains("adapter_model.bin", message);
        Assert.Contains("torch.load", message);
        File.Delete(Path.Combine(adapter.Path, "adapter_model.bin"));
        Assert.Contains(
            "adapter_model.safetensors: file not found",
            Assert.Throws<PeftException>(() => AdapterFolder.Read(adapter.Path)).Message
        );
    }

    [Fact]
    public void PEFTs_BOFT_is_the_input_side_with_its_defaults()
    {
        using var adapter = new SavedAdapter(tensors: false);
        for (var layer = 0; layer < 2; layer++)
            adapter
                .Tensor(SavedAdapter.Name(layer, "self_attn.v_proj.boft_R"), 1, 8, 4, 4)
                .Tensor(SavedAdapter.Name(layer, "self_attn.v_proj.boft_s"), 16, 1);
        var method = adapter
            .As("""{"peft_type": "BOFT", "boft_block_num": 0, "target_modules": ["v_proj"], "init_weights": true, "boft_dropout": 0.0}""")
            .Method();
        Assert.Equal(new BoftSpec { BlockSize = 4, ButterflyFactors = 1 }, method.Boft);
        Assert.Equal(["v_proj"], method.TargetModules);
        Assert.Contains("boft_block_num is 8", adapter.With("""{"boft_block_num": 8}""").Refusal());
        Assert.Contains("boft_n_butterfly_factor is 2", adapter.With("""{"boft_block_num": 0, "boft_n_butterfly_factor": 2}""").Refusal());
    }

    [Fact]
    public void A_number_of_blocks_is_the_size_they_have_in_the_modules()
    {
        using var adapter = new SavedAdapter(tensors: false);
        Boft("self_attn.v_proj", 16, blocks: 4, size: 8);
        Boft("self_attn.q_proj", 32, blocks: 4, size: 8);
        adapter.As("""
            {"peft_type": "BOFT", "boft_block_num": 4, "boft_block_size": 0, "boft_n_butterfly_factor": 2,
             "target_modules": ["q_proj", "v_proj"]}
            """);
        Assert.Equal(new BoftSpec { BlockSize = 8, ButterflyFactors = 2 }, adapter.Method().Boft);
        var run = adapter.Method() with { InitialAdapter = null };
        adapter.Start(run);
        Assert.Contains(
            "boft_block_num is 4, which makes blocks of 8; the adapter's tensors would mean something else",
            adapter.StartRefusal(run with { Boft = run.Boft with { BlockSize = 4 } }));
        Assert.Contains("boft_block_num is 5; it does not cut the 32 inputs of q_proj", Refused("""{"boft_block_num": 5}"""));
        Assert.Contains("boft_block_num is 32; it does not cut", Refused("""{"boft_block_num": 32}"""));
        Assert.Contains("boft_block_num is -1", Refused("""{"boft_block_num": -1}"""));
        Assert.Contains("boft_block_num is 8, which makes blocks of 4", Refused("""{"boft_block_num": 8}"""));
        Assert.Contains("boft_block_num is 4; and boft_block_size is 8", Refused("""{"boft_block_num": 4, "boft_block_size": 8}"""));
        Assert.Contains("boft_block_size is 0", Refused("""{"boft_block_num": 0, "boft_block_size": 0}"""));

        // Twice as wide: blocks of another size.
        adapter.With("""{"boft_block_num": 4, "boft_block_size": 0, "target_modules": ["q_proj", "v_proj", "down_proj"]}""");
        Boft("mlp.down_proj", 32, blocks: 4, size: 16);
        Assert.Contains("blocks of different sizes (8 in q_proj of 32 inputs, 16 in down_proj of 64 inputs)", adapter.Refusal());

        string Refused(string keys) => adapter.With("""{"boft_block_size": 0}""").With(keys).Refusal();

        void Boft(string module, long outputs, long blocks, long size)
        {
            for (var layer = 0; layer < 2; layer++)
                adapter.Tensor(SavedAdapter.Name(layer, module + ".boft_R"), 2, blocks, size, size)
                    .Tensor(SavedAdapter.Name(layer, module + ".boft_s"), outputs, 1);
        }
    }

    [Fact]
    public void A_form_that_PEFT_lacks_is_read_from_its_method()
    {
        using var adapter = new SavedAdapter(tensors: false);
        for (var layer = 0; layer < 2; layer++) adapter.Tensor(SavedAdapter.Name(layer, "self_attn.v_proj.boft_theta"), 3, 4, 6);
        adapter.As("""
            {"peft_type": "BOFT", "boft_block_num": 0, "boft_block_size": 0, "target_modules": ["v_proj"],
             "method": {"name": "boft", "target_modules": ["v_proj"], "boft": {"block_size": 4, "side": "output"}}}
            """);
        Assert.Equal(new BoftSpec { BlockSize = 4, Side = BoftSide.Output }, adapter.Method().Boft);
        Assert.Contains("the key method is missing", adapter.As("""{"peft_type": "HYBRID"}""").Refusal());
    }

    [Fact]
    public void A_type_that_no_adapter_has_is_refused_before_anything_is_read()
    {
        using var adapter = new SavedAdapter();
        var name = SavedAdapter.Name(0, "self_attn.q_proj.lora_A.weight");
        Assert.Contains(name, adapter.Typed(name, SafeTensorsType.F8E4M3).Refusal());
        Assert.Equal(2, adapter.Typed(name, SafeTensorsType.BF16).Method().Lora.Rank);
    }
}
