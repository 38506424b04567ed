using Peft.Orleans.Core.Methods;

namespace Peft.Orleans.Data.Tests.Adapters;

/// <summary>A run that starts from an adapter computes with its tensors what they were trained for, or is refused.</summary>
public class AdapterAgreementTests
{
    private static MethodSpec Lora { get; } =
        new()
        {
            Name = MethodName.Lora,
            TargetModules = ["q_proj", "v_proj"],
            Lora = new LoraSpec { Rank = 2, Alpha = 4 },
        };

    private static MethodSpec Hybrid { get; } =
        new()
        {
            Name = MethodName.Hybrid,
            TargetModules = ["v_proj"],
            Lora = new LoraSpec { Rank = 2, Alpha = 4 },
            Boft = new BoftSpec { BlockSize = 4, ButterflyFactors = 1 },
        };

    [Fact]
    public void The_same_options_start()
    {
        using var adapter = new SavedAdapter();
        adapter.Start(Lora);
        adapter.Start(Lora with { Lora = Lora.Lora with { Dropout = 0.5 }, TargetModules = ["v_proj", "q_proj"] });
        adapter.Without("target_modules").With("""{"lora_alpha": null}""").Start(Lora with { Lora = Lora.Lora with { Alpha = 8 } });
    }

    [Theory]
    [InlineData("""{"lora_alpha": 16}""", "method.lora.alpha is 4", "lora_alpha is 16")]
    [InlineData("""{"lora_alpha": null}""", "method.lora.alpha is 4", "lora_alpha is 8 (PEFT's default)")]
    [InlineData("""{"use_rslora": true}""", "method.lora.rslora is false", "use_rslora is true")]
    [InlineData("""{"use_dora": true}""", "method.lora.dora is false", "use_dora is true")]
    [InlineData("""{"r": 4}""", "method.lora.rank is 2", "r is 4")]
    public void Another_scale_is_refused_with_both_keys_and_values(string keys, string run, string peft)
    {
        using var adapter = new SavedAdapter();
        var message = adapter.With(keys).StartRefusal(Lora);
        Assert.Contains("run.yaml:7", message);
        Assert.Contains(run, message);
        Assert.Contains(adapter.ConfigFile, message);
        Assert.Contains(peft, message);
    }

    [Fact]
    public void Another_method_or_other_modules_are_refused()
    {
        using var adapter = new SavedAdapter();
        var method = adapter.StartRefusal(Lora with { Name = MethodName.LoraGa });
        Assert.Contains("method.name is lora_ga", method);
        Assert.Contains("peft_type is LORA", method);
        foreach (var modules in new[] { (string[])["q_proj"], ["q_proj", "v_proj", "o_proj"], ["all-linear"] })
            Assert.Contains("method.target_modules", adapter.StartRefusal(Lora with { TargetModules = modules }));
        Assert.Contains("init_lora_weights", adapter.With("""{"init_lora_weights": "pissa"}""").StartRefusal(Lora));
        Assert.Contains(
            "lm_head",
            adapter.With("""{"init_lora_weights": true}""").Tensor("base_model.model.lm_head.lora_A.weight", 2, 32).StartRefusal(Lora)
        );
    }

    [Theory]
    [InlineData("""{"boft_block_size": 8}""", "method.boft.block_size is 4", "boft_block_size is 8")]
    [InlineData("""{"boft_n_butterfly_factor": 2}""", "method.boft.butterfly_factors is 1", "boft_n_butterfly_factor is 2")]
    public void Another_rotation_is_refused_with_both_keys(string keys, string run, string peft)
    {
        using var adapter = new SavedAdapter(tensors: false);
        for (var layer = 0; layer < 2; layer++)
            adapter
                .Tensor(SavedAdapter.Name(layer, "self_attn.v_proj.boft_R"), 1, 8, 4, 4)
                .Tensor(SavedAdapter.Name(layer, "self_attn.v_proj.boft_s"), 16, 1);
        adapter.As("""{"peft_type": "BOFT", "boft_block_size": 4, "boft_n_butterfly_factor": 1, "target_modules": ["v_proj"]}""");
        var method = new MethodSpec
        {
            Name = MethodName.Boft,
            TargetModules = ["v_proj"],
            Boft = new BoftSpec { BlockSize = 4, ButterflyFactors = 1 },
        };
        adapter.Start(method);
        Assert.Contains(
            "method.boft.side is output",
            adapter.StartRefusal(method with { Boft = method.Boft with { Side = BoftSide.Output } })
        );
        // The matrices hold η.
        adapter.Start(method with { Boft = method.Boft with { Eta = 0.5 } });
        var message = adapter.With(keys).StartRefusal(method);
        Assert.Contains(run, message);
        Assert.Contains(peft, message);
    }

    [Fact]
    public void Our_own_forms_agree_in_what_their_section_says()
    {
        using var adapter = OfHybrid();
        adapter.Start(Hybrid);
        // How the run goes on is its own matter.
        adapter.Start(
            Hybrid with
            {
                Lambda = new LambdaSpec { Norms = LambdaNorms.Raw, Ema = 0.5 },
                LoraGa = new LoraGaSpec { Gamma = 4 },
            }
        );
        foreach (
            var (other, key) in new (MethodSpec, string)[]
            {
                (Hybrid with { Lora = Hybrid.Lora with { Rank = 3 } }, "method.lora.rank"),
                (Hybrid with { Lora = Hybrid.Lora with { Alpha = 5 } }, "method.lora.alpha"),
                (Hybrid with { Boft = Hybrid.Boft with { BlockSize = 8 } }, "method.boft.block_size"),
                (Hybrid with { Boft = Hybrid.Boft with { ButterflyFactors = 2 } }, "method.boft.butterfly_factors"),
                (Hybrid with { Boft = Hybrid.Boft with { Eta = 0.5 } }, "method.boft.eta"),
                (Hybrid with { Lambda = new LambdaSpec { Granularity = LambdaGranularity.Module } }, "method.lambda.granularity"),
                (Hybrid with { Lambda = new LambdaSpec { Fixed = 0.5 } }, "method.lambda.fixed"),
                (Hybrid with { Lambda = new LambdaSpec { Min = 0.5 } }, "method.lambda.min"),
                (Hybrid with { Name = MethodName.LoraGa }, "method.name"),
                (Hybrid with { TargetModules = ["q_proj"] }, "method.target_modules"),
            }
        )
            Assert.Contains($"{key} is ", adapter.StartRefusal(other));
        adapter.Start(Hybrid with { Lambda = new LambdaSpec { Fixed = 0.25 } });
        // What the section does not say is the run's.
        adapter.As("""{"peft_type": "HYBRID"}""").Start(Hybrid);
    }

    private static SavedAdapter OfHybrid()
    {
        var adapter = new SavedAdapter(tensors: false);
        for (var layer = 0; layer < 2; layer++)
        {
            adapter.Lora(layer, "self_attn.v_proj", 16, 32).Tensor(SavedAdapter.Name(layer, "self_attn.v_proj.boft_theta"), 1, 4, 6);
            adapter.Tensor(SavedAdapter.Name(layer, "lambda"));
        }

        return adapter.As("""
            {"peft_type": "HYBRID", "target_modules": ["v_proj"], "method": {"name": "hybrid", "target_modules": ["v_proj"], "lora": {"rank": 2, "alpha": 4},
             "boft": {"block_size": 4, "butterfly_factors": 1, "eta": 1.0}, "lambda": {"granularity": "layer"}}}
            """);
    }
}
