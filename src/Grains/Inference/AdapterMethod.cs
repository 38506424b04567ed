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
            var own = RunFile.ParseMethod(method.GetRawText(), path);
            return own with { InitialAdapter = adapterFolder };
        }

        var spec = root.GetProperty("peft_type").GetString() switch
        {
            "LORA" => Lora(root),
            "BOFT" => Boft(root, path),
            var type => throw new PeftException($"{path}: peft_type {type} is not supported by this version; LORA and BOFT are, and adapters of this program"),
        };
        return spec with
        {
            InitialAdapter = adapterFolder,
            TargetModules = root.GetProperty("target_modules") is { ValueKind: JsonValueKind.String } one
                ? [one.GetString()!]
                : [.. root.GetProperty("target_modules").EnumerateArray().Select(static module => module.GetString()!)],
        };
    }

    private static MethodSpec Lora(JsonElement root) => new()
    {
        Name = MethodName.Lora,
        Lora = new LoraSpec
        {
            Rank = root.GetProperty("r").GetInt32(),
            Alpha = root.GetProperty("lora_alpha").GetDouble(),
            Rslora = root.TryGetProperty("use_rslora", out var rslora) && rslora.GetBoolean(),
            Dora = root.TryGetProperty("use_dora", out var dora) && dora.GetBoolean(),
        },
    };

    private static MethodSpec Boft(JsonElement root, string path)
    {
        // A number of blocks gives each module its own block size.
        if (root.TryGetProperty("boft_block_num", out var count) && count.GetInt32() != 0)
            throw new PeftException($"{path}: boft_block_num {count.GetInt32()} is not supported; train or convert the adapter with boft_block_size");
        return new MethodSpec
        {
            Name = MethodName.Boft,
            Boft = new BoftSpec { BlockSize = root.GetProperty("boft_block_size").GetInt32(), ButterflyFactors = root.GetProperty("boft_n_butterfly_factor").GetInt32() },
        };
    }
}
