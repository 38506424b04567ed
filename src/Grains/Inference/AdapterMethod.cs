using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Grains.Inference;

/// <summary>The method section that an adapter folder's configuration stands for.</summary>
internal static class AdapterMethod
{
    /// <summary>Method with the folder as initial adapter; without a folder the frozen base: LoRA on no module.</summary>
    /// <exception cref="PeftException">No adapter configuration, or a method this version does not load.</exception>
    internal static MethodSpec Of(string? adapterFolder)
    {
        if (adapterFolder is null) return new MethodSpec { Name = MethodName.Lora, TargetModules = [] };
        var path = Path.Combine(adapterFolder, "adapter_config.json");
        if (!File.Exists(path)) throw new PeftException($"{adapterFolder}: no adapter_config.json in it; give an adapter folder");
        using var document = JsonDocument.Parse(File.ReadAllText(path));
        var root = document.RootElement;
        if (root.TryGetProperty("method", out var method))
        {
            var spec = RunFile.ParseMethod(method.GetRawText(), path);
            return spec with { InitialAdapter = adapterFolder };
        }

        var type = root.GetProperty("peft_type").GetString();
        if (type != "LORA") throw new PeftException($"{path}: peft_type {type} is not supported by this version");
        return new MethodSpec
        {
            Name = MethodName.Lora,
            InitialAdapter = adapterFolder,
            TargetModules = root.GetProperty("target_modules") is { ValueKind: JsonValueKind.String } one
                ? [one.GetString()!]
                : [.. root.GetProperty("target_modules").EnumerateArray().Select(static module => module.GetString()!)],
            Lora = new LoraSpec
            {
                Rank = root.GetProperty("r").GetInt32(),
                Alpha = root.GetProperty("lora_alpha").GetDouble(),
                Rslora = root.TryGetProperty("use_rslora", out var rslora) && rslora.GetBoolean(),
                Dora = root.TryGetProperty("use_dora", out var dora) && dora.GetBoolean(),
            },
        };
    }
}
