using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Peft.Orleans.Client.Checks;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Models;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Adapters;
using Peft.Orleans.Data.Datasets.Files;
using Peft.Orleans.Data.Models;

namespace Peft.Orleans.Client.Comparison;

/// <summary>One run of a comparison.</summary>
/// <param name="Id">Run id: name, method, seed, and a hash of everything the result depends on, so that equal runs are one.</param>
/// <param name="Spec">Resolved, paths absolute.</param>
/// <param name="Chosen">Grid values that have a meaning for it.</param>
internal sealed record PlannedRun(string Id, RunSpec Spec, IReadOnlyList<Assignment> Chosen)
{
    /// <summary>The run's folder.</summary>
    public string Folder => Path.Combine(Spec.Output, Id);
}

/// <summary>
/// Makes a run of a method, grid values and a seed. The base run serves all methods: its keys without a meaning for a method are left out
/// there. A method's own keys must have one.
/// </summary>
/// <param name="file">The comparison.</param>
/// <param name="silos">Silos of each run: figures of time and memory depend on it, so it is part of the id.</param>
internal sealed class CombinationResolver(ComparisonFile file, int silos)
{
    private readonly Dictionary<string, string> contents = new(StringComparer.Ordinal);
    private readonly HashSet<string> used = new(StringComparer.Ordinal);

    /// <summary>
    /// The grid's combinations for a method, each once; one empty combination without a grid. A control tries training keys only: its
    /// method section is derived.
    /// </summary>
    public IReadOnlyList<PlannedRun> Candidates(ComparedMethod method, bool control = false)
    {
        IEnumerable<IReadOnlyList<Assignment>> combinations = [[]];
        foreach (var key in method.Grid.Where(key => !control || key.Key.StartsWith("training.", StringComparison.Ordinal)))
            combinations =
            [
                .. combinations.SelectMany(_ => key.Values, static (former, value) => (IReadOnlyList<Assignment>)[.. former, value]),
            ];
        return [.. combinations.Select(values => Resolve(method, values, null, control)).DistinctBy(static run => run.Id)];
    }

    /// <summary>The run of a method with chosen grid values; <paramref name="repeat"/> is added to the base's seed.</summary>
    public PlannedRun Repeat(ComparedMethod method, PlannedRun chosen, int repeat, bool control = false) =>
        repeat == 0 ? chosen : Resolve(method, chosen.Chosen, chosen.Spec.Seed + repeat, control);

    /// <summary>The control of a method as it came out of the grid; null where there is none.</summary>
    public static ComparedMethod? Control(ComparedMethod method, PlannedRun chosen, ModelDimensions model)
    {
        if (MatchedControl.Rank(chosen.Spec.Method, model) is not { } rank) return null;
        var scale = chosen.Spec.Method.Lora.Alpha / chosen.Spec.Method.Lora.Rank;
        string place = method.Place + " (control)";
        Assignment[] own =
        [
            .. method.Own.Where(static item => item.Key is not ("method.initial_adapter" or "method.lora.rank" or "method.lora.alpha")),
            new("method.lora.rank", rank.ToString(CultureInfo.InvariantCulture), place),
            // The same scale alpha / rank as the method has, or would have.
            new("method.lora.alpha", (scale * rank).ToString("R", CultureInfo.InvariantCulture), place),
            new("method.initial_adapter", "null", place),
        ];
        return new ComparedMethod($"lora r={rank} (control of {method.Label})", "lora", own, method.Grid, place);
    }

    /// <summary>Samples of an epoch of the first run, once all are checked.</summary>
    public int Samples { get; private set; }

    /// <summary>Resolves every method with every grid combination and checks files and shapes; all refusals at once.</summary>
    /// <exception cref="PeftException">Something is refused.</exception>
    public ModelFolder CheckAll()
    {
        var refusals = new List<string>();
        using var checks = new StartChecks();
        ModelFolder? model = null;
        foreach (var method in file.Methods)
        {
            try
            {
                foreach (var run in Candidates(method))
                {
                    model = checks.Run(run.Spec, key => Where(method, run.Chosen, key));
                    if (Samples == 0) Samples = checks.DataOf(run.Spec).Samples;
                    if (Control(method, run, model.Dimensions) is { } control) Candidates(control, control: true);
                }
            }
            catch (PeftException error)
            {
                refusals.AddRange(error.Message.Split('\n'));
            }
        }

        var grid = file.Methods.SelectMany(static method => method.Grid).Distinct().ToArray();
        if (refusals.Count == 0)
        {
            foreach (var idle in file.Base.Concat(grid.SelectMany(static key => key.Values)).Where(item => !used.Contains(item.Key)))
            {
                refusals.Add(
                    $"{idle.Place}: {idle.Key} has no meaning with any of the methods "
                        + $"({string.Join(", ", file.Methods.Select(static method => method.Name).Distinct())}); remove it"
                );
            }
        }

        if (grid.Length > 0 && file.Base.All(static item => !item.Key.StartsWith("data.validation", StringComparison.Ordinal)))
            refusals.Add(
                $"{grid[0].Values[0].Place}: grid: values are chosen by validation loss; add data.validation: {{ fraction: 0.05 }} "
                    + "below base"
            );
        return refusals.Count == 0 ? model! : throw new PeftException(string.Join('\n', refusals.Distinct()));
    }

    private PlannedRun Resolve(ComparedMethod method, IReadOnlyList<Assignment> grid, long? seed, bool control)
    {
        var merged = Merge(method, grid, seed);
        string? ValueOf(string key) => merged.TryGetValue(key, out var item) ? item.Plain : RunSchema.Published.DefaultText(key);
        bool HasMeaning(string key) =>
            Enumerable
                .Range(1, key.Count(static c => c == '.') + 1)
                .All(parts => RunSchema.Published.HasMeaning(string.Join('.', key.Split('.')[..parts]), ValueOf, out _));
        var kept = merged
            .Values.Where(item => (!control && method.Own.Contains(item)) || !IsOfMethod(item.Key) || HasMeaning(item.Key))
            .ToArray();
        used.UnionWith(kept.Select(static item => item.Key));
        var spec = Parse(kept);
        var chosen = grid.Where(kept.Contains).ToArray();
        return new PlannedRun(Id(spec), spec, chosen);
    }

    private static bool IsOfMethod(string key) =>
        key.StartsWith("method.", StringComparison.Ordinal) || key.StartsWith("training.", StringComparison.Ordinal);

    private Dictionary<string, Assignment> Merge(ComparedMethod method, IReadOnlyList<Assignment> grid, long? seed)
    {
        var merged = new Dictionary<string, Assignment>(StringComparer.Ordinal);
        Assignment[] last = [new("method.name", method.Name, method.Place), .. method.Own, .. grid];
        foreach (var item in file.Base.Concat(last)) merged[item.Key] = item;
        if (seed is { } value) merged["seed"] = new Assignment("seed", value.ToString(CultureInfo.InvariantCulture), method.Place);
        return merged;
    }

    private RunSpec Parse(Assignment[] values)
    {
        try
        {
            var spec = RunFile.Parse("{}", file.Path, [.. values.Select(static item => item.Override)]);
            spec = RunFile.Resolve(spec, Path.GetDirectoryName(Path.GetFullPath(file.Path))!);
            return spec with { Model = spec.Model with { Path = ModelFolder.Locate(spec.Model.Path) } };
        }
        catch (PeftException error)
        {
            // The run file was put together of assignments: each is named by the place where it was written.
            var message = values
                .OrderByDescending(static item => item.Override.Length)
                .Aggregate(error.Message, static (text, item) =>
                    text.Replace($"--set {item.Override}: ", item.Place + ": ", StringComparison.Ordinal)
                );
            throw new PeftException(message, error);
        }
    }

    private string Where(ComparedMethod method, IReadOnlyList<Assignment> grid, string key)
    {
        var written = Merge(method, grid, null).Values;
        return (
            written.FirstOrDefault(item => item.Key == key)
            ?? written.FirstOrDefault(item => key.StartsWith(item.Key + ".", StringComparison.Ordinal))
            ?? written.FirstOrDefault(item => item.Key.StartsWith(key + ".", StringComparison.Ordinal))
        )?.Place
            ?? method.Place;
    }

    private string Id(RunSpec spec)
    {
        var content = new StringBuilder(RunFile.Write(spec with { Output = "" })).Append(
            CultureInfo.InvariantCulture,
            $"silos: {silos}\n"
        );
        foreach (
            var path in (string?[])
                [
                    .. spec.Data.Train.SelectMany(static source => DataFiles.Find(source.Path)),
                    .. DataFiles.Find(spec.Data.Validation?.Path ?? ""),
                    .. DataFiles.Find(spec.Data.Evaluation?.Path ?? ""),
                    Path.Combine(spec.Model.Path, "config.json"),
                ]
        )
            content.Append(CultureInfo.InvariantCulture, $"{ContentOf(path)}\n");
        if (spec.Method.InitialAdapter is { } adapter) content.Append(ContentOf(Path.Combine(adapter, AdapterFolder.WeightsName)));
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(content.ToString())))[..10];
        var name = spec.Name.Length > 60 ? spec.Name[..60] : spec.Name;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{name}-{JsonNamingPolicy.SnakeCaseLower.ConvertName(spec.Method.Name.ToString())}-{spec.Seed}-{hash}"
        );
    }

    /// <summary>sha256 of a file, read once; what is not there is refused by the checks.</summary>
    private string ContentOf(string? path)
    {
        if (path is null || !File.Exists(path)) return "";
        if (contents.TryGetValue(path, out var known)) return known;
        using var stream = File.OpenRead(path);
        return contents[path] = Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
