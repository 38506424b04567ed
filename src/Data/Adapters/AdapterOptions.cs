using Peft.Orleans.Core.Methods;

namespace Peft.Orleans.Data.Adapters;

/// <summary>An option on which the meaning of an adapter's tensors depends: a run that continues them must have the same.</summary>
/// <param name="RunKey">Its key in the run file.</param>
/// <param name="PeftKey">PEFT's key in adapter_config.json; null: PEFT does not have it.</param>
/// <param name="Value">Its value.</param>
internal sealed record AdapterOption(string RunKey, string? PeftKey, Func<MethodSpec, object?> Value);

/// <summary>The options of all methods on which the meaning of their tensors depends.</summary>
internal static class AdapterOptions
{
    internal static readonly AdapterOption Rank = new("method.lora.rank", "r", static method => method.Lora.Rank);
    internal static readonly AdapterOption Alpha = new("method.lora.alpha", "lora_alpha", static method => method.Lora.Alpha);
    internal static readonly AdapterOption Rslora = new("method.lora.rslora", "use_rslora", static method => method.Lora.Rslora);
    internal static readonly AdapterOption Dora = new("method.lora.dora", "use_dora", static method => method.Lora.Dora);
    internal static readonly AdapterOption Block = new("method.boft.block_size", "boft_block_size", static method => method.Boft.BlockSize);
    internal static readonly AdapterOption Factors =
        new("method.boft.butterfly_factors", "boft_n_butterfly_factor", static method => method.Boft.ButterflyFactors);
    internal static readonly AdapterOption Side = new("method.boft.side", null, static method => method.Boft.Side);
    internal static readonly AdapterOption Parameterization =
        new("method.boft.parameterization", null, static method => method.Boft.Parameterization);
    internal static readonly AdapterOption Eta = new("method.boft.eta", null, static method => method.Boft.Eta);
    internal static readonly AdapterOption UrnnKind = new("method.urnn.kind", null, static method => method.Urnn.Kind);
    internal static readonly AdapterOption UrnnMode = new("method.urnn.mode", null, static method => method.Urnn.Mode);
    internal static readonly AdapterOption UrnnBlock = new("method.urnn.block_size", null, static method => method.Urnn.BlockSize);
    internal static readonly AdapterOption Granularity = new("method.lambda.granularity", null, static method => method.Lambda.Granularity);

    /// <summary>BOFT's; PEFT's form keeps η within its matrices.</summary>
    internal static AdapterOption[] OfBoft(MethodSpec method) => AdapterParts.IsPeftRotation(method)
        ? [Block, Factors, Side, Parameterization]
        : [Block, Factors, Side, Parameterization, Eta];

    /// <summary>uRNN's.</summary>
    internal static AdapterOption[] OfUrnn(MethodSpec method) => method.Urnn.Kind == Core.Methods.UrnnKind.Dense
        ? [UrnnKind, UrnnMode, UrnnBlock]
        : [UrnnKind, UrnnMode];
}
