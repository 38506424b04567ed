using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.SafeTensors;

namespace Peft.Orleans.Data.Adapters;

/// <summary>Whether a run that starts from an adapter computes with its tensors what they were trained for.</summary>
internal static class AdapterAgreement
{
    /// <summary>
    /// Refuses the first option that the adapter's configuration and the run file give different values; names both keys and values.
    /// </summary>
    /// <param name="adapter">The adapter.</param>
    /// <param name="options">Its options in the model; null: its configuration does not say them.</param>
    /// <param name="run">The run's method.</param>
    /// <param name="where">The place in the run file of a key.</param>
    internal static void CheckOptions(AdapterFolder adapter, MethodSpec? options, MethodSpec run, Func<string, string> where)
    {
        if (run.Name != adapter.Form.Method)
        {
            throw new PeftException($"{where("method.name")}: method.name is {Word(run.Name)}, "
                + $"but {adapter.ConfigFile}: peft_type is {adapter.PeftType}; "
                + $"write method.name: {Word(adapter.Form.Method)}, or leave method.initial_adapter out");
        }

        if (options is not { } own) return;
        foreach (var option in adapter.Form.Options(own))
        {
            if (adapter.Targets is null && !Says(adapter.Config, option.RunKey)) continue;
            var (asked, found) = (option.Value(run), option.Value(own));
            if (Equals(asked, found)) continue;
            throw new PeftException($"{where(option.RunKey)}: {option.RunKey} is {Text(asked)}, "
                + $"but {adapter.ConfigFile}: {Said(adapter, option, own)}; "
                + $"the adapter's tensors would mean something else: write {option.RunKey}: {Text(found)}");
        }
    }

    /// <summary>The adapter's λ is part of what it computes: the run must be able to have it.</summary>
    internal static void CheckLambda(AdapterFolder adapter, MethodSpec run, Func<string, string> where)
    {
        foreach (var entry in adapter.Tensors.Values)
        {
            if (!entry.Name.EndsWith(".lambda", StringComparison.Ordinal)) continue;
            if (entry is not { Type: SafeTensorsType.F32, Bytes: 4 }) continue;
            double lambda = MemoryMarshal.Read<float>(adapter.Weights.ReadBytes(entry.Name));
            var (key, bound) = run.Lambda.Fixed is { } constant ? ("method.lambda.fixed", constant)
                : lambda < (float)run.Lambda.Min ? ("method.lambda.min", run.Lambda.Min)
                : ("method.lambda.max", run.Lambda.Max);
            var agrees = run.Lambda.Fixed is not null
                ? (float)bound == lambda
                : lambda >= (float)run.Lambda.Min && lambda <= (float)run.Lambda.Max;
            if (agrees) continue;
            throw new PeftException($"{where(key)}: {key} is {Text(bound)}, "
                + $"but {adapter.Weights.Path}: tensor '{entry.Name}' is {Text(lambda)}; "
                + "the run would start from another mixture: choose a value that allows it");
        }
    }

    /// <summary>The options on which the tensors depend, as the configuration file names them, with their values.</summary>
    internal static IEnumerable<string> Describe(AdapterFolder adapter, MethodSpec options) =>
        adapter.Form.Options(options)
            .Where(option => adapter.Targets is null || option.PeftKey is not null)
            .Select(option => Said(adapter, option, options));

    private static string Said(AdapterFolder adapter, AdapterOption option, MethodSpec options)
    {
        if (adapter.Targets is not null && option == AdapterOptions.Block
            && PeftBlocks.Said(adapter.Config, option.Value(options)) is { } blocks) return blocks;
        var key = adapter.Targets is null ? option.RunKey : option.PeftKey ?? option.RunKey;
        var given = adapter.Targets is null || (option.PeftKey is { } known && adapter.Config.Has(known));
        return $"{key} is {Text(option.Value(options))}{(given ? "" : " (PEFT's default)")}";
    }

    /// <summary>Whether our section <c>method</c> has a key.</summary>
    private static bool Says(ConfigReader config, string runKey)
    {
        var parts = runKey.Split('.');
        ConfigReader? section = config;
        foreach (var part in parts[..^1]) section = section?.Section(part);
        return section?.Has(parts[^1]) == true;
    }

    private static string Text(object? value) => value switch
    {
        null => "null",
        bool flag => flag ? "true" : "false",
        Enum word => Word(word),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };

    /// <summary>An enumeration's value as the run file spells it.</summary>
    private static string Word(Enum value) => JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());
}
