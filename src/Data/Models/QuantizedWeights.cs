using Peft.Orleans.Core;

namespace Peft.Orleans.Data.Models;

/// <summary>
/// Weights beside a <c>quantization_config</c> are codes, or have scales beside them: other tensors, or the same with another meaning. They
/// are refused by the name of their method, with what to do.
/// </summary>
internal static class QuantizedWeights
{
    private const string Plain = "name the folder of the model it was made from, in float16 or bfloat16";

    private static readonly Dictionary<string, string> Remedies = new(StringComparer.OrdinalIgnoreCase)
    {
        ["bitsandbytes"] = $"{Plain}, or write this one in full: AutoModelForCausalLM.from_pretrained(…).dequantize().save_pretrained(…)",
        ["gptq"] = Plain,
        ["awq"] = Plain,
        ["fp8"] = $"{Plain}, or write this one in full with transformers (dequantize: true in its quantization_config)",
        ["fbgemm_fp8"] = Plain,
        ["compressed-tensors"] = $"{Plain}, or write this one in full with transformers (run_compressed: false)",
        ["mxfp4"] = $"{Plain}, or write this one in full with transformers (Mxfp4Config(dequantize=True))",
    };

    /// <exception cref="PeftException">The weights are quantised; names the key and the method.</exception>
    internal static void Refuse(ConfigReader config)
    {
        foreach (var key in (string[])["quantization_config", "compression_config"])
        {
            if (!config.Has(key)) continue;
            var section = config.Section(key)!;
            // Older files of bitsandbytes name no method.
            var method = section.Text("quant_method")
                ?? (section.Has("load_in_4bit") || section.Has("load_in_8bit") ? "bitsandbytes" : null);
            throw new PeftException(
                $"{config.File}: {key}{(method is null ? "" : $" (quant_method {method})")}: the weights are quantised, and are not read; "
                    + (Remedies.GetValueOrDefault(method ?? "") ?? "name the folder of the unquantised model"));
        }
    }
}
