using System.Globalization;
using Peft.Orleans.Core.Methods;

namespace Peft.Orleans.Core.Runs;

/// <summary>Impossible combinations that no single key shows.</summary>
public static class RunRules
{
    /// <summary>The broken rules: key and what to do.</summary>
    public static IEnumerable<BrokenRule> Check(RunSpec spec) =>
        [.. Data(spec), .. Chat(spec.Data), .. Dtype(spec), .. CheckMethod(spec.Method), .. Training(spec)];

    /// <summary>Rules that need the shapes of the adapted modules: (name, d = out, k = in) of each; one line per module and rule.</summary>
    public static IEnumerable<BrokenRule> CheckShapes(MethodSpec method, IEnumerable<(string Name, long Out, long In)> modules) =>
        modules.SelectMany(module => MethodTraits.Of(method).CheckShape(method, module.Name, module.Out, module.In));

    private static IEnumerable<BrokenRule> Data(RunSpec spec)
    {
        foreach (var rule in DataRules.Check(spec.Data)) yield return rule;
        if (spec.Data.Validation is not null) yield break;
        const string Remedy = "needs validation data; add data.validation: { fraction: 0.05 } or remove it";
        if (spec.Training.ValidateEvery > 0) yield return new("training.validate_every", Remedy);
        if (spec.Training.EarlyStopping.Patience is not null) yield return new("training.early_stopping.patience", Remedy);
        if (spec.Training.EarlyStopping.KeepBest) yield return new("training.early_stopping.keep_best", Remedy);
    }

    private static IEnumerable<BrokenRule> Chat(DataSpec data)
    {
        if (!ChatTemplateNames.IsName(data.ChatTemplate) && !data.ChatTemplate.AsSpan().ContainsAny('.', '/'))
        {
            var nearest = KeySuggestion.Nearest(data.ChatTemplate, ChatTemplateNames.All) is { } name ? $"; did you mean {name}?" : "";
            yield return new(
                "data.chat_template",
                $"expected {string.Join(", ", ChatTemplateNames.All)} or the path of a .jinja file, found {data.ChatTemplate}{nearest}");
        }

        if (data.EndOfTurn is { Count: 0 })
            yield return new("data.end_of_turn", "the list is empty; name the text that closes an assistant message, or write null");
        if (data.ChatTime is { } time && !DateTime.TryParseExact(time, ChatTimeForm, CultureInfo.InvariantCulture, default, out _))
            yield return new("data.chat_time", $"expected a time like 2026-03-05T14:07:09, found {time}");
    }

    /// <summary>How <c>data.chat_time</c> is written.</summary>
    public const string ChatTimeForm = "yyyy-MM-dd'T'HH:mm:ss";

    private static IEnumerable<BrokenRule> Dtype(RunSpec spec)
    {
        if (MethodTraits.Of(spec.Method).TrainsBase && spec.Model.Dtype == WeightType.Nf4)
        {
            yield return new(
                "model.dtype",
                "nf4 holds frozen weights, and method full freezes none; write float32 or bfloat16, or choose another method"
            );
        }
    }

    /// <summary>The broken rules of a method section.</summary>
    public static IEnumerable<BrokenRule> CheckMethod(MethodSpec method)
    {
        if (method.TargetModules.Count > 1 && method.TargetModules.Contains(TargetModules.AllLinear))
            yield return new("method.target_modules", "all-linear stands alone; write target_modules: all-linear, or name the modules");
        var traits = MethodTraits.Of(method);
        if (!traits.TrainsBase && method.TargetModules.Count == 0)
            yield return new("method.target_modules", "the list is empty, nothing would train; name modules, or write all-linear");
        foreach (var broken in traits.Check(method)) yield return broken;
    }

    private static IEnumerable<BrokenRule> Training(RunSpec spec)
    {
        var training = spec.Training;
        if (training.Steps is null && training.Epochs is null)
            yield return new("training.steps", "missing; write steps: 200, or epochs: 1");
        if (training.Steps is not null && training.Epochs is not null)
            yield return new("training.epochs", "given beside training.steps; remove one of them (--set training.epochs=null)");
        if (training.GlobalBatch % training.Microbatch != 0)
        {
            var divisor = LargestDivisor(training.GlobalBatch, training.Microbatch);
            yield return new(
                "training.microbatch",
                $"{training.Microbatch} does not divide global_batch {training.GlobalBatch}; write {divisor}, or change global_batch"
            );
        }

        if (spec.Elastic.MinSilos > spec.Elastic.MaxSilos)
            yield return new(
                "elastic.min_silos",
                $"{spec.Elastic.MinSilos} is above max_silos {spec.Elastic.MaxSilos}; lower it or raise max_silos"
            );
    }

    /// <summary>The largest divisor of a number that is not above a bound; divisors come in pairs on both sides of the root.</summary>
    private static int LargestDivisor(int number, int bound) => Enumerable.Range(1, (int)Math.Sqrt(number))
        .Where(candidate => number % candidate == 0)
        .SelectMany(candidate => (int[])[candidate, number / candidate])
        .Where(divisor => divisor <= bound)
        .Max();
}
