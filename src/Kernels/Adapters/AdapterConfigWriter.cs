using System.Text;
using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Kernels.Adapters.Boft;

namespace Peft.Orleans.Kernels.Adapters;

/// <summary>Writes <c>adapter_config.json</c>: PEFT's keys where PEFT has the method, else the method as in the run file.</summary>
public static class AdapterConfigWriter
{
    /// <summary>The text of the file.</summary>
    /// <exception cref="PeftException">The method has no adapter (full fine-tuning) or is not supported.</exception>
    public static string Write(RunSpec spec)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            switch (spec.Method.Name)
            {
                case MethodName.Lora:
                    WriteLora(json, spec);
                    break;
                case MethodName.Boft when BoftMethod.FormOf(spec.Method.Boft) == BoftForm.Peft:
                    WriteBoft(json, spec);
                    break;
                case MethodName.Boft:
                    // PEFT refuses a configuration with neither; a size would let it load the identity.
                    json.WriteNumber("boft_block_num", 0);
                    json.WriteNumber("boft_block_size", 0);
                    WriteOwn(json, spec, "BOFT");
                    break;
                case MethodName.LoraGa:
                    WriteOwn(json, spec, "LORA_GA");
                    break;
                case MethodName.Hybrid:
                    WriteOwn(json, spec, "HYBRID");
                    break;
                case MethodName.Urnn:
                    WriteOwn(json, spec, "URNN");
                    break;
                default:
                    throw new PeftException($"method {spec.Method.Name.ToString().ToLowerInvariant()} leaves no adapter configuration in this version; methods with one: lora, lora_ga, boft, hybrid, urnn");
            }

            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.ToArray()) + "\n";
    }

    private static void WriteLora(Utf8JsonWriter json, RunSpec spec)
    {
        var lora = spec.Method.Lora;
        json.WriteString("base_model_name_or_path", spec.Model.Path);
        json.WriteString("bias", "none");
        json.WriteBoolean("fan_in_fan_out", false);
        json.WriteBoolean("inference_mode", true);
        json.WriteBoolean("init_lora_weights", true);
        WriteNumber(json, "lora_alpha", lora.Alpha);
        json.WriteNumber("lora_dropout", lora.Dropout);
        json.WriteNull("modules_to_save");
        json.WriteString("peft_type", "LORA");
        json.WriteNumber("r", lora.Rank);
        WriteTargets(json, spec.Method);
        json.WriteString("task_type", "CAUSAL_LM");
        json.WriteBoolean("use_dora", lora.Dora);
        json.WriteBoolean("use_rslora", lora.Rslora);
    }

    private static void WriteBoft(Utf8JsonWriter json, RunSpec spec)
    {
        var boft = spec.Method.Boft;
        json.WriteString("base_model_name_or_path", spec.Model.Path);
        json.WriteString("bias", "none");
        json.WriteNumber("boft_block_num", 0);
        json.WriteNumber("boft_block_size", boft.BlockSize);
        json.WriteNumber("boft_dropout", 0.0);
        json.WriteNumber("boft_n_butterfly_factor", boft.ButterflyFactors);
        json.WriteBoolean("fan_in_fan_out", false);
        json.WriteBoolean("inference_mode", true);
        json.WriteBoolean("init_weights", true);
        json.WriteNull("modules_to_save");
        json.WriteString("peft_type", "BOFT");
        WriteTargets(json, spec.Method);
        json.WriteString("task_type", "CAUSAL_LM");
    }

    private static void WriteOwn(Utf8JsonWriter json, RunSpec spec, string type)
    {
        json.WriteString("peft_type", type);
        json.WriteString("base_model_name_or_path", spec.Model.Path);
        WriteTargets(json, spec.Method);
        json.WritePropertyName("method");
        RunFile.WriteMethod(spec).WriteTo(json);
    }

    private static void WriteTargets(Utf8JsonWriter json, MethodSpec method)
    {
        json.WriteStartArray("target_modules");
        foreach (var module in TargetModules.Resolve(method)) json.WriteStringValue(module);
        json.WriteEndArray();
    }

    // PEFT writes whole numbers without a fraction, and some readers expect an integer α.
    private static void WriteNumber(Utf8JsonWriter json, string name, double value)
    {
        if (value == Math.Truncate(value) && Math.Abs(value) < 1e15) json.WriteNumber(name, (long)value);
        else json.WriteNumber(name, value);
    }
}
