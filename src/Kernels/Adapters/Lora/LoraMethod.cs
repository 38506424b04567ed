using System.Text.Json;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Adapters.Dora;

namespace Peft.Orleans.Kernels.Adapters.Lora;

/// <summary>LoRA (Eq. 1-2) and, with <c>dora</c>, its weight-decomposed form.</summary>
internal sealed class LoraMethod : AdapterMethod
{
    internal override MethodName Name => MethodName.Lora;

    internal override AdaptedLinear Adapt(LinearSite site, ShardContext context, int adapted) =>
        context.Method.Lora.Dora ? new DoraLinear(site, context) : new LoraLinear(site, context);

    internal override void WriteConfig(Utf8JsonWriter json, AdapterOrigin origin)
    {
        var lora = origin.Method.Lora;
        WritePattern(json, "alpha_pattern", lora.AlphaPattern);
        json.WriteString("base_model_name_or_path", origin.Model.Path);
        json.WriteString("bias", "none");
        json.WriteBoolean("fan_in_fan_out", false);
        json.WriteBoolean("inference_mode", true);
        json.WriteBoolean("init_lora_weights", true);
        AdapterConfigWriter.WriteNumber(json, "lora_alpha", lora.Alpha);
        json.WriteNumber("lora_dropout", lora.Dropout);
        json.WriteNull("modules_to_save");
        json.WriteString("peft_type", Traits.PeftType);
        json.WriteNumber("r", lora.Rank);
        WritePattern(json, "rank_pattern", lora.RankPattern);
        AdapterConfigWriter.WriteTargets(json, origin);
        json.WriteString("task_type", "CAUSAL_LM");
        json.WriteBoolean("use_dora", lora.Dora);
        json.WriteBoolean("use_rslora", lora.Rslora);
    }

    private static void WritePattern(Utf8JsonWriter json, string key, IReadOnlyList<ModulePattern>? patterns)
    {
        if (patterns is null) return;
        json.WriteStartObject(key);
        foreach (var (modules, value) in patterns) AdapterConfigWriter.WriteNumber(json, modules, value);
        json.WriteEndObject();
    }
}
