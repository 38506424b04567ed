using System.Text;
using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;

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
                case MethodName.Hybrid:
                    WriteHybrid(json, spec);
                    break;
                case MethodName.Urnn:
                    WriteOwn(json, spec, "URNN");
                    break;
                default:
                    throw new PeftException($"method {spec.Method.Name.ToString().ToLowerInvariant()} leaves no adapter configuration in this version; methods with one: lora, hybrid, urnn");
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
        json.WriteBoolean("use_dora", false);
        json.WriteBoolean("use_rslora", lora.Rslora);
    }

    private static void WriteHybrid(Utf8JsonWriter json, RunSpec spec)
    {
        var method = spec.Method;
        json.WriteString("peft_type", "HYBRID");
        json.WriteString("base_model_name_or_path", spec.Model.Path);
        WriteTargets(json, method);
        json.WriteStartObject("method");
        json.WriteString("name", "hybrid");
        WriteTargets(json, method);
        json.WriteStartObject("lora");
        json.WriteNumber("rank", method.Lora.Rank);
        WriteNumber(json, "alpha", method.Lora.Alpha);
        json.WriteNumber("dropout", method.Lora.Dropout);
        json.WriteBoolean("rslora", method.Lora.Rslora);
        json.WriteEndObject();
        json.WriteStartObject("lora_ga");
        json.WriteString("initialization", method.LoraGa.Initialization.ToString().ToLowerInvariant());
        json.WriteNumber("gradient_samples", method.LoraGa.GradientSamples);
        json.WriteString("gradient_estimate", method.LoraGa.GradientEstimate.ToString().ToLowerInvariant());
        WriteNumber(json, "gamma", method.LoraGa.Gamma);
        json.WriteEndObject();
        json.WriteStartObject("boft");
        json.WriteNumber("block_size", method.Boft.BlockSize);
        json.WriteNumber("butterfly_factors", method.Boft.ButterflyFactors);
        WriteNumber(json, "eta", method.Boft.Eta);
        json.WriteEndObject();
        json.WriteStartObject("lambda");
        json.WriteString("norms", method.Lambda.Norms.ToString().ToLowerInvariant());
        json.WriteString("granularity", method.Lambda.Granularity.ToString().ToLowerInvariant());
        json.WriteString("initial", method.Lambda.Initial);
        json.WriteNumber("ema", method.Lambda.Ema);
        json.WriteNumber("min", method.Lambda.Min);
        json.WriteNumber("max", method.Lambda.Max);
        if (method.Lambda.Fixed is { } constant) json.WriteNumber("fixed", constant);
        json.WriteEndObject();
        json.WriteEndObject();
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
