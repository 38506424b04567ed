using System.Text.Json;
using System.Text.Json.Serialization;

namespace Peft.Orleans.Core.Cluster;

/// <summary>Whether the block kernel multiplies a type.</summary>
public enum BlockKernelState
{
    /// <summary>It does.</summary>
    Found,

    /// <summary>It is not for this processor: libtorch's own products are taken, as they should be.</summary>
    OtherProcessor,

    /// <summary>The processor could, but this libtorch lacks it, or has one that multiplies otherwise.</summary>
    Missing,
}

/// <summary>
/// What <c>peft-silo --check</c> finds where it runs, one line of JSON on its standard output: for the client, which has no libtorch.
/// </summary>
/// <param name="Device"><c>cpu</c> or <c>cuda:0</c>.</param>
/// <param name="BFloat16BlockKernel">Of bf16 products.</param>
/// <param name="Float32BlockKernel">Of fp32 products.</param>
public sealed record SiloCheck(string Device, BlockKernelState BFloat16BlockKernel, BlockKernelState Float32BlockKernel)
{
    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) },
        RespectRequiredConstructorParameters = true,
        RespectNullableAnnotations = true,
    };

    /// <summary>The line.</summary>
    public string Write() => JsonSerializer.Serialize(this, Options);

    /// <summary>Reads the line; null where it is not one.</summary>
    public static SiloCheck? Read(string line)
    {
        try
        {
            return JsonSerializer.Deserialize<SiloCheck>(line, Options);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
