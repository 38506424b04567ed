using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Data.SafeTensors;
using Peft.Orleans.Kernels.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters;

/// <summary>
/// The tensors of an adapter folder, ours or PEFT's (<c>adapter_config.json</c>, <c>adapter_model.safetensors</c>), read one by one when
/// asked for. PEFT options that change what an adapter computes and are not implemented are refused by name.
/// </summary>
public sealed class AdapterTensors : IDisposable
{
    /// <summary>Name of the weights file.</summary>
    public const string WeightsFile = "adapter_model.safetensors";

    /// <summary>Name of the configuration file.</summary>
    public const string ConfigFile = "adapter_config.json";

    private static readonly string[] Refused =
    [
        "modules_to_save", "rank_pattern", "alpha_pattern", "layers_to_transform", "layers_pattern", "layer_replication", "exclude_modules",
        "target_parameters", "trainable_token_indices", "fan_in_fan_out", "lora_bias", "use_qalora", "use_bdlora", "alora_invocation_tokens",
        "arrow_config", "megatron_config", "velora_config", "monteclora_config", "kasa_config",
    ];

    private readonly SafeTensorsHeader header;
    private readonly JsonDocument config;

    private AdapterTensors(string folder, SafeTensorsHeader header, JsonDocument config)
    {
        Folder = folder;
        this.header = header;
        this.config = config;
    }

    /// <summary>The folder.</summary>
    public string Folder { get; }

    /// <summary>The parsed adapter_config.json.</summary>
    public JsonElement Config => config.RootElement;

    /// <summary>Names of all tensors.</summary>
    public IEnumerable<string> Names => header.Entries.Keys;

    /// <summary>Opens an adapter folder.</summary>
    /// <exception cref="PeftException">A file is missing or malformed, or an option is not implemented; names it.</exception>
    public static AdapterTensors Read(string folder)
    {
        var path = Path.Combine(folder, ConfigFile);
        if (!File.Exists(path)) throw new PeftException($"{folder}: there is no {ConfigFile}; an adapter folder holds it beside {WeightsFile}");
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(File.ReadAllBytes(path));
        }
        catch (JsonException error)
        {
            throw new PeftException($"{path}: invalid JSON: {error.Message}", error);
        }

        try
        {
            RefuseUnknown(path, document.RootElement);
            return new AdapterTensors(folder, SafeTensorsHeader.Read(Path.Combine(folder, WeightsFile)), document);
        }
        catch
        {
            document.Dispose();
            throw;
        }
    }

    /// <summary>Shape of a tensor, or null where there is none of that name.</summary>
    public long[]? ShapeOf(string name) => header.Entries.GetValueOrDefault(name)?.Shape;

    /// <summary>A tensor in fp32 on the CPU; owned by the caller.</summary>
    /// <exception cref="PeftException">There is no such tensor, or it is of another type.</exception>
    public Tensor Get(string name)
    {
        var entry = header.Entries.GetValueOrDefault(name) ?? throw new PeftException($"{header.Path}: there is no tensor '{name}'; the adapter belongs to another model, method or target_modules");
        var type = entry.Type switch
        {
            SafeTensorsType.F32 => ScalarType.Float32,
            SafeTensorsType.BF16 => ScalarType.BFloat16,
            SafeTensorsType.F16 => ScalarType.Float16,
            SafeTensorsType.F64 => ScalarType.Float64,
            SafeTensorsType.I64 => ScalarType.Int64,
            _ => throw new PeftException($"{header.Path}: tensor '{name}' is {entry.Type.HeaderName()}; adapters are read from F32, BF16, F16, F64 and, for indices, I64"),
        };
        using var scope = NewDisposeScope();
        return TensorFile.ReadInto(header.Path, entry, type).to(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose() => config.Dispose();

    private static void RefuseUnknown(string path, JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("peft_type", out _))
            throw new PeftException($"{path}: there is no peft_type; it is no adapter configuration");
        foreach (var key in Refused)
        {
            if (root.TryGetProperty(key, out var value) && IsSet(value))
                throw new PeftException($"{path}: {key} is not supported; train or convert the adapter without it");
        }

        if (root.TryGetProperty("bias", out var bias) && bias.GetString() is not (null or "none"))
            throw new PeftException($"{path}: bias '{bias.GetString()}' is not supported; only 'none' is");
    }

    private static bool IsSet(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False or JsonValueKind.Undefined => false,
        JsonValueKind.Array => value.GetArrayLength() > 0,
        JsonValueKind.Object => value.EnumerateObject().Any(),
        _ => true,
    };
}
