using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Adapters;
using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Data.Exports;

/// <summary>
/// What an export has to do: decided and checked alike by the client, before silos are started for it, and by the silo that does it.
/// </summary>
public sealed class ExportPlan
{
    private ExportPlan(string source, string target, ModelFolder? model, MethodSpec? method)
    {
        Source = source;
        Target = target;
        Model = model;
        Method = method;
    }

    /// <summary>Adapter folder, or the model folder of method full.</summary>
    public string Source { get; }

    /// <summary>Folder to write.</summary>
    public string Target { get; }

    /// <summary>The base model; null where files are copied as they are.</summary>
    public ModelFolder? Model { get; }

    /// <summary>The adapter's method on the base model; null where files are copied as they are.</summary>
    public MethodSpec? Method { get; }

    /// <summary>Whether files are copied, and no silo is needed.</summary>
    public bool Copies => Model is null;

    /// <summary>Checks an export whose folders are seen from here.</summary>
    /// <param name="source">Adapter folder, or a model folder of method full.</param>
    /// <param name="basePath">The base model; null: the one that the adapter names.</param>
    /// <param name="target">Folder to write; new or empty.</param>
    /// <param name="kind"><c>adapter</c>, <c>lora</c> or <c>merged</c>.</param>
    /// <param name="rank">Rank of an approximation; null: none is asked for.</param>
    /// <param name="dtype">Type of merged weights; null: as the base.</param>
    /// <exception cref="PeftException">It cannot be done; says why, and what to give instead.</exception>
    public static ExportPlan Of(string source, string? basePath, string target, string kind, int? rank, WeightType? dtype)
    {
        if (Directory.Exists(target) && Directory.EnumerateFileSystemEntries(target).Any())
            throw new PeftException($"--to {target} is not empty; name a new folder");
        if (!AdapterFolder.Is(source)) return OfModel(source, target, kind, dtype);
        if (kind == "adapter") return new ExportPlan(source, target, null, null);

        var model = basePath
            ?? AdapterFolder.BaseModelOf(source)
            ?? throw new PeftException("the adapter does not say its base model; give --base DIR");
        var adapter = AdapterFolder.Read(source);
        if (kind == "lora" && rank is null && adapter.PlainLora == PlainLora.Same) return new ExportPlan(source, target, null, null);
        if (kind == "lora" && rank is null && adapter.PlainLora == PlainLora.Approximated)
        {
            throw new PeftException("this adapter is no LoRA: its change of weights is approximated, to a rank that --rank R gives "
                + "(2 × lora.rank holds the low-rank part of method hybrid)");
        }

        if (!Directory.Exists(model)) throw new PeftException($"base model {model}: no config.json in it; give --base DIR");
        var opened = ModelFolder.Open(Path.GetFullPath(model));
        var method = adapter.MethodIn(opened);
        if (rank is { } wanted) CheckRank(opened, method, wanted);
        return new ExportPlan(source, target, opened, method);
    }

    /// <summary>Copies the files, and returns a line for a person about it.</summary>
    public string Copy()
    {
        Directory.CreateDirectory(Target);
        foreach (var file in Directory.EnumerateFiles(Source)) File.Copy(file, Path.Combine(Target, Path.GetFileName(file)));
        return $"{(AdapterFolder.Is(Source) ? "adapter" : "model")} copied to {Target}";
    }

    private static ExportPlan OfModel(string source, string target, string kind, WeightType? dtype)
    {
        if (!File.Exists(Path.Combine(source, "config.json")))
            throw new PeftException($"{source}: neither an adapter ({AdapterFolder.ConfigName}) nor a model (config.json) is in it");
        if (kind != "merged") throw new PeftException($"method full has no adapter; use --as merged, which copies {source}");
        if (dtype is not (null or WeightType.Float32)) throw new PeftException("a model of method full is float32; leave --dtype out");
        return new ExportPlan(source, target, null, null);
    }

    private static void CheckRank(ModelFolder model, MethodSpec method, int rank)
    {
        var sites = Enumerable.Range(1, model.Dimensions.Blocks).SelectMany(model.Linears);
        foreach (var site in sites.Where(site => TargetModules.Targets(method, site.Name)))
        {
            var largest = Math.Min(site.Out, site.In);
            if (rank > largest)
                throw new PeftException(
                    $"--rank {rank}: {site.Name} is {site.Out} × {site.In}, its rank is at most {largest}; give a smaller --rank"
                );
        }
    }
}
