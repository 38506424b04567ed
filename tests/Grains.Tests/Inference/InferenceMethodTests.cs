using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.SafeTensors;
using Peft.Orleans.Grains.Inference;

namespace Peft.Orleans.Grains.Tests.Inference;

public sealed class InferenceMethodTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("adapter-").FullName;

    private ModelFolder Model
    {
        get
        {
            File.WriteAllText(Path.Combine(folder, "config.json"), """
                {"model_type": "llama", "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 10}
                """);
            return ModelFolder.Open(folder);
        }
    }

    [Fact]
    public void Without_an_adapter_the_base_is_frozen() => Assert.Empty(InferenceMethod.Of(null, Model).TargetModules);

    [Fact]
    public void An_adapter_is_its_own_method_on_the_modules_of_its_tensors()
    {
        Write("lora_A.weight", "lora_B.weight", "lora_magnitude_vector");
        var method = InferenceMethod.Of(folder, Model);
        Assert.Equal(new LoraSpec { Rank = 4, Alpha = 8, Dora = true }, method.Lora);
        Assert.Equal(["v_proj"], method.TargetModules);
        Assert.Equal(folder, method.InitialAdapter);
    }

    [Fact]
    public void A_silo_refuses_what_has_no_place_too()
    {
        Write("lora_A.weight", "lora_B.weight", "lora_magnitude_vector", "lora_bias");
        Assert.Contains("v_proj.lora_bias", Assert.Throws<PeftException>(() => InferenceMethod.Of(folder, Model)).Message);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private void Write(params string[] parts)
    {
        File.WriteAllText(
            Path.Combine(folder, "adapter_config.json"),
            """{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "use_dora": true, "target_modules": "all-linear"}""");
        SafeTensorsWriter.Write(Path.Combine(folder, "adapter_model.safetensors"), [.. parts.Select(static part =>
        {
            long[] shape = part switch
            {
                "lora_A.weight" => [4, 8],
                "lora_B.weight" => [8, 4],
                _ => [8],
            };
            return new SafeTensorsTensor($"base_model.model.model.layers.0.self_attn.v_proj.{part}", SafeTensorsType.F32, shape, stream =>
                stream.Write(new byte[4 * shape.Aggregate(1L, static (a, b) => a * b)]));
        })]);
    }
}
