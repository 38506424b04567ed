using Peft.Orleans.Core.Methods;
using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Data.Adapters;

/// <summary>A tensor that a method keeps for each adapted module.</summary>
/// <param name="Name">What follows the module's name, <c>lora_A.weight</c>.</param>
/// <param name="Shape">Its shape in a module.</param>
/// <param name="Optional">Whether an adapter may lack it: a rotation starts as the identity, frozen factors as the trained ones.</param>
internal sealed record AdapterPart(string Name, Func<MethodSpec, LinearSite, long[]> Shape, bool Optional = false);

/// <summary>The tensors of all methods.</summary>
internal static class AdapterParts
{
    private static readonly AdapterPart Down = new("lora_A.weight", static (method, site) => [method.Lora.Rank, site.In]);
    private static readonly AdapterPart Up = new("lora_B.weight", static (method, site) => [site.Out, method.Lora.Rank]);

    /// <summary>LoRA-GA's.</summary>
    internal static readonly AdapterPart[] Difference =
    [
        Down, Up, Down with { Name = "lora_A0.weight", Optional = true }, Up with { Name = "lora_B0.weight", Optional = true },
    ];

    /// <summary>Whether PEFT has this form of rotation: input side, from Cayley transforms.</summary>
    internal static bool IsPeftRotation(MethodSpec method) =>
        method.Boft is { Side: BoftSide.Input, Parameterization: BoftParameterization.Cayley };

    /// <summary>LoRA's, and DoRA's.</summary>
    internal static AdapterPart[] OfLora(MethodSpec method) => method.Lora.Dora
        ? [Down, Up, new AdapterPart("lora_magnitude_vector", static (_, site) => [site.Out])]
        : [Down, Up];

    /// <summary>BOFT's.</summary>
    internal static AdapterPart[] OfBoft(MethodSpec method)
    {
        var inputs = method.Boft.Side == BoftSide.Input;
        AdapterPart rotation = IsPeftRotation(method) ? new("boft_R", (options, site) => [.. Blocks(options, site.In), .. Square(options)])
            : method.Boft.Parameterization == BoftParameterization.Projection
                ? new("boft_C", (options, site) => [.. Blocks(options, inputs ? site.In : site.Out), .. Square(options)])
                : Angles;
        return inputs ? [rotation, new AdapterPart("boft_s", static (_, site) => [site.Out, 1])] : [rotation];
    }

    private static AdapterPart Angles =>
        new("boft_theta", static (options, site) => [.. Blocks(options, site.Out), Triangle(options)], Optional: true);

    /// <summary>uRNN's.</summary>
    internal static AdapterPart[] OfUrnn(MethodSpec method)
    {
        if (method.Urnn.Kind == UrnnKind.Dense)
        {
            return
            [
                new("urnn_U", static (options, site) =>
                    [site.In / 2 / options.Urnn.BlockSize, options.Urnn.BlockSize, options.Urnn.BlockSize, 2]),
            ];
        }

        var parts = new List<AdapterPart> { new("urnn_permutation", static (_, site) => [site.In / 2]) };
        foreach (var name in (string[])["urnn_d1", "urnn_d2", "urnn_d3"])
            parts.AddRange(WithStart(new(name, static (_, site) => [site.In / 2])));
        foreach (var name in (string[])["urnn_v1", "urnn_v2"]) parts.AddRange(WithStart(new(name, static (_, site) => [site.In / 2, 2])));
        return [.. parts];

        static AdapterPart[] WithStart(AdapterPart part) => [part, part with { Name = part.Name + "_start" }];
    }

    /// <summary>Hybrid's; a layer's own λ is not a module's.</summary>
    internal static AdapterPart[] OfHybrid(MethodSpec method) => method.Lambda.Granularity == LambdaGranularity.Module
        ? [.. Difference, Angles, new AdapterPart("lambda", static (_, _) => [], Optional: true)]
        : [.. Difference, Angles];

    private static long[] Blocks(MethodSpec method, long size) => [method.Boft.ButterflyFactors, size / method.Boft.BlockSize];

    private static long[] Square(MethodSpec method) => [method.Boft.BlockSize, method.Boft.BlockSize];

    private static long Triangle(MethodSpec method) => (long)method.Boft.BlockSize * (method.Boft.BlockSize - 1) / 2;
}
