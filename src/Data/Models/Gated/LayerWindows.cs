using Peft.Orleans.Core;

namespace Peft.Orleans.Data.Models.Gated;

/// <summary>
/// Which blocks have a sliding window, as Qwen's configurations tell it: with <c>use_sliding_window</c> those from
/// <c>max_window_layers</c> on, or those that <c>layer_types</c> lists.
/// </summary>
internal static class LayerWindows
{
    /// <summary>The keys read here.</summary>
    internal static readonly IReadOnlyList<string> Keys = ["sliding_window", "use_sliding_window", "layer_types"];

    private const string Sliding = "sliding_attention", Full = "full_attention";

    /// <summary>The configuration with its windows.</summary>
    /// <exception cref="PeftException">Names file and key: an unknown type, another number of them than of layers, a window that is asked
    /// for and not given.</exception>
    internal static GatedConfig Read(ConfigReader config, GatedConfig common)
    {
        var used = config.Flag("use_sliding_window", false);
        var isNull = config.Keys.Contains("sliding_window") && !config.Has("sliding_window");
        int? window = used && !isNull ? config.PositiveInteger("sliding_window", 4096) : null;
        if (!config.Has("layer_types"))
        {
            if (window is null) return common;
            var first = config.OptionalInteger("max_window_layers") ?? 28;
            return With([.. Enumerable.Range(0, common.NumHiddenLayers).Select(block => block >= first)]);
        }

        var types = config.Texts("layer_types");
        if (types.Count != common.NumHiddenLayers)
            throw new PeftException(
                $"{config.File}: layer_types lists {types.Count} layers, and num_hidden_layers is {common.NumHiddenLayers}");
        if (types.FirstOrDefault(static type => type is not (Sliding or Full)) is { } unknown)
            throw new PeftException($"{config.File}: layer_types names {unknown}; supported: {Full}, {Sliding}");
        if (window is null && types.Contains(Sliding))
            throw new PeftException(
                $"{config.File}: layer_types names {Sliding}, but there is no window: use_sliding_window and sliding_window must say so");
        return With([.. types.Select(static type => type == Sliding)]);

        GatedConfig With(bool[] windowed) =>
            windowed.Contains(true) ? common with { SlidingWindow = window, Windowed = windowed } : common;
    }
}
