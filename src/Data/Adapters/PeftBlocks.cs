using Peft.Orleans.Core.Methods;
using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Data.Adapters;

/// <summary>
/// How PEFT's BOFT cuts the inputs of a module into blocks: into blocks of <c>boft_block_size</c>, or into <c>boft_block_num</c> of them,
/// one of which is 0. By number, the size is <c>in_features / boft_block_num</c>: modules of different widths have different sizes, and a
/// run has one.
/// </summary>
internal static class PeftBlocks
{
    private const string SizeKey = "boft_block_size", NumberKey = "boft_block_num";

    /// <summary>The size of blocks; 0: a number of blocks is given instead.</summary>
    /// <exception cref="Core.PeftException">Both or neither are given, or blocks of one element, which do not rotate.</exception>
    internal static int SizeOf(ConfigReader config)
    {
        var number = config.OptionalInteger(NumberKey) ?? 0;
        var size = config.OptionalInteger(SizeKey) ?? 4;
        if (number == 0)
            return size >= 2 ? size : throw config.Refusal(SizeKey, "a block that rotates has a size of at least 2");
        if (size != 0)
            throw config.Refusal(
                NumberKey,
                $"and {SizeKey} is {size}{(config.Has(SizeKey) ? "" : " (PEFT's default)")}: PEFT takes one of them, the other being 0; "
                    + "write 0 for the one that the adapter was not made with");
        return number > 0 ? 0 : throw config.Refusal(NumberKey, "expected a number of blocks above 0");
    }

    /// <summary>What an adapter says of its blocks, whose size is <paramref name="size"/>; null: it says the size itself.</summary>
    internal static string? Said(ConfigReader config, object? size) =>
        config.IsSet(NumberKey) && config.OptionalInteger(NumberKey) is { } number and not 0
            ? $"{NumberKey} is {number}, which makes blocks of {size}"
            : null;

    /// <summary>The method with the size of blocks that it has in a model.</summary>
    /// <param name="adapter">The adapter.</param>
    /// <param name="options">Its method.</param>
    /// <param name="model">The model.</param>
    /// <exception cref="Core.PeftException">The adapted modules have different widths, or one that the number does not divide; names the
    /// key and the modules.</exception>
    internal static MethodSpec In(AdapterFolder adapter, MethodSpec options, ModelFolder model)
    {
        if (adapter.Targets is null || options.Boft.BlockSize != 0) return options;
        var number = adapter.Config.PositiveInteger(NumberKey);
        var widths = AdapterPlaces.Touched(adapter, model).GroupBy(static site => site.In).OrderBy(static width => width.Key).ToArray();
        if (widths.Length > 1)
        {
            var sizes = widths.Select(width => $"{(double)width.Key / number:0.##} in {width.First().Suffix} of {width.Key} inputs");
            throw adapter.Config.Refusal(
                NumberKey,
                $"that makes blocks of different sizes ({string.Join(", ", sizes)}), and this version has one size for all modules; "
                    + PeftKeys.Remedy);
        }

        if (widths.Length == 0) return options;
        var (inputs, name) = (widths[0].Key, widths[0].First().Suffix);
        if (inputs % number != 0 || inputs / number < 2)
            throw adapter.Config.Refusal(NumberKey, $"it does not cut the {inputs} inputs of {name} into blocks of at least 2");
        return options with { Boft = options.Boft with { BlockSize = (int)(inputs / number) } };
    }
}
