using System.Text.Json.Nodes;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Data.Adapters;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.SafeTensors;

namespace Peft.Orleans.Data.Tests.Adapters;

/// <summary>An adapter folder as PEFT saves one, for a model of two layers: LoRA of rank 2 on q_proj and v_proj.</summary>
internal sealed class SavedAdapter : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly Dictionary<string, (SafeTensorsType Type, long[] Shape)> tensors = new(StringComparer.Ordinal);

    internal SavedAdapter(bool tensors = true)
    {
        if (!tensors) return;
        for (var layer = 0; layer < 2; layer++)
        {
            Lora(layer, "self_attn.q_proj", 32, 32);
            Lora(layer, "self_attn.v_proj", 16, 32);
        }
    }

    internal static ModelFolder Model { get; } = OpenModel();

    internal string Path => folder.Path;

    internal string ConfigFile => folder.File("adapter_config.json");

    internal JsonObject Config { get; private set; } =
        JsonNode
            .Parse(
                """
                {
                  "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": "base", "peft_version": "0.21.2", "r": 2, "lora_alpha": 4,
                  "lora_dropout": 0.1, "bias": "none", "fan_in_fan_out": false, "inference_mode": true, "init_lora_weights": true,
                  "target_modules": ["q_proj", "v_proj"], "modules_to_save": null, "layers_to_transform": null, "layers_pattern": null,
                  "rank_pattern": {}, "alpha_pattern": {}, "use_rslora": false, "use_dora": false, "megatron_core": "megatron.core"
                }
                """
            )!
            .AsObject();

    /// <summary>Gives keys other values, <c>{"r": 4}</c>.</summary>
    internal SavedAdapter With(string keys)
    {
        foreach (var (key, value) in JsonNode.Parse(keys)!.AsObject()) Config[key] = value?.DeepClone();
        return this;
    }

    internal SavedAdapter Without(string key)
    {
        Config.Remove(key);
        return this;
    }

    /// <summary>Another configuration as a whole.</summary>
    internal SavedAdapter As(string config)
    {
        Config = JsonNode.Parse(config)!.AsObject();
        return this;
    }

    internal SavedAdapter Tensor(string name, params long[] shape)
    {
        tensors[name] = (SafeTensorsType.F32, shape);
        return this;
    }

    internal SavedAdapter Typed(string name, SafeTensorsType type)
    {
        tensors[name] = (type, tensors[name].Shape);
        return this;
    }

    internal SavedAdapter Drop(string part)
    {
        foreach (var name in tensors.Keys.Where(name => name.Contains(part, StringComparison.Ordinal)).ToArray()) tensors.Remove(name);
        return this;
    }

    internal SavedAdapter Lora(int layer, string module, long output, long input, long rank = 2) =>
        Tensor(Name(layer, $"{module}.lora_A.weight"), rank, input).Tensor(Name(layer, $"{module}.lora_B.weight"), output, rank);

    internal static string Name(int layer, string rest) => $"base_model.model.model.layers.{layer}.{rest}";

    internal AdapterFolder Read()
    {
        Write();
        return AdapterFolder.Read(Path);
    }

    internal MethodSpec Method() => Read().MethodIn(Model);

    internal string Refusal() => Assert.Throws<PeftException>(() => Method()).Message;

    /// <summary>The refusal to start a run with this method.</summary>
    internal string StartRefusal(MethodSpec run) => Assert.Throws<PeftException>(() => Start(run)).Message;

    internal void Start(MethodSpec run) => Read().CheckStart(run, Model, static key => $"run.yaml:7 ({key})");

    public void Dispose() => folder.Dispose();

    /// <summary>Zeros; a scalar is λ = ¼.</summary>
    private static byte[] BytesOf(SafeTensorsType type, long[] shape) => shape.Length == 0
        ? BitConverter.GetBytes(0.25f)
        : new byte[shape.Aggregate((long)type.Bits() / 8, static (a, b) => a * b)];

    private static ModelFolder OpenModel()
    {
        using var folder = new TemporaryFolder();
        folder.Write("config.json", """
            {"model_type": "llama", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
             "num_key_value_heads": 2, "vocab_size": 100}
            """);
        return ModelFolder.Open(folder.Path);
    }

    private void Write()
    {
        folder.Write("adapter_config.json", Config.ToJsonString());
        SafeTensorsWriter.Write(folder.File("adapter_model.safetensors"), [.. tensors.Select(static pair => new SafeTensorsTensor(
            pair.Key, pair.Value.Type, pair.Value.Shape,
            stream => stream.Write(BytesOf(pair.Value.Type, pair.Value.Shape))))]);
    }
}
