using System.Globalization;

namespace Peft.Orleans.Core.Runs;

/// <summary>Impossible combinations that no single key shows.</summary>
public static class RunRules
{
    /// <summary>The broken rules: key and what to do.</summary>
    public static IEnumerable<(string Key, string Message)> Check(RunSpec spec) => [.. Data(spec), .. Dtype(spec), .. CheckMethod(spec.Method), .. Training(spec)];

    /// <summary>Rules that need the shapes of the adapted modules: (name, d = out, k = in) of each; one line per module and rule.</summary>
    public static IEnumerable<(string Key, string Message)> CheckShapes(RunSpec spec, IEnumerable<(string Name, long Out, long In)> modules)
    {
        var method = spec.Method;
        var boft = method.Boft;
        var usesBoft = method.Name is MethodName.Hybrid or MethodName.Boft;
        var group = (long)boft.BlockSize << (boft.ButterflyFactors - 1);
        var stable = method.Name is MethodName.Hybrid or MethodName.LoraGa && method.LoraGa.Initialization == LoraGaInitialization.Stable && method.InitialAdapter is null;
        foreach (var (name, d, k) in modules)
        {
            foreach (var broken in Unitary(method, name, d, k)) yield return broken;
            if (stable && Math.Min(d, k) < 2L * method.Lora.Rank)
            {
                yield return ("method.lora_ga.initialization", $"stable needs 2 × rank ≤ min(d, k), but {name} is {d} × {k} and rank is {method.Lora.Rank}; "
                    + $"set method.lora.rank to at most {Math.Min(d, k) / 2}, or initialization to paper or random");
            }

            var n = method.Name == MethodName.Boft && boft.Side == BoftSide.Input ? k : d;
            if (usesBoft && n % group != 0)
            {
                yield return ("method.boft.block_size", $"{name} has {n} {(n == d ? "outputs" : "inputs")}, which block_size {boft.BlockSize} × 2^(butterfly_factors {boft.ButterflyFactors} − 1) = {group} does not divide; "
                    + "choose a smaller block_size or fewer butterfly_factors");
            }
        }
    }

    private static IEnumerable<(string Key, string Message)> Unitary(MethodSpec method, string name, long d, long k)
    {
        if (method.Name != MethodName.Urnn) yield break;
        if (method.Urnn.Mode == UrnnMode.Replace && d != k)
            yield return ("method.urnn.mode", $"replace needs square weights, but {name} is {d} × {k}; write compose, or leave it out of method.target_modules");
        if (k % 2 != 0)
            yield return ("method.urnn", $"pairs neighbours, but {name} has {k} inputs; leave it out of method.target_modules");
        else if (method.Urnn.Kind == UrnnKind.Dense && k / 2 % method.Urnn.BlockSize != 0)
            yield return ("method.urnn.block_size", $"{name} has {k} inputs, {k / 2} pairs, which {method.Urnn.BlockSize} does not divide; choose a block_size that does");
    }

    private static IEnumerable<(string Key, string Message)> Data(RunSpec spec)
    {
        if (spec.Data.Validation is { } validation)
        {
            if (validation.Fraction is null == validation.Path is null)
                yield return ("data.validation", validation.Path is null ? "needs fraction or path; write { fraction: 0.05 } or { path: FILE }" : "has both fraction and path; remove one of them");
            if (validation.Format is not null && validation.Path is null)
                yield return ("data.validation.format", "belongs to data.validation.path; remove it, a fraction has the format of the training data");
        }
        else
        {
            const string Remedy = "needs validation data; add data.validation: { fraction: 0.05 } or remove it";
            if (spec.Training.ValidateEvery > 0) yield return ("training.validate_every", Remedy);
            if (spec.Training.EarlyStopping.Patience is not null) yield return ("training.early_stopping.patience", Remedy);
            if (spec.Training.EarlyStopping.KeepBest) yield return ("training.early_stopping.keep_best", Remedy);
        }
    }

    private static IEnumerable<(string Key, string Message)> Dtype(RunSpec spec)
    {
        if (spec.Method.Name == MethodName.Full && spec.Model.Dtype == WeightType.Nf4)
            yield return ("model.dtype", "nf4 holds frozen weights, and method full freezes none; write float32 or bfloat16, or choose another method");
    }

    /// <summary>The broken rules of a method section.</summary>
    public static IEnumerable<(string Key, string Message)> CheckMethod(MethodSpec method)
    {
        if (method.TargetModules.Count > 1 && method.TargetModules.Contains("all-linear"))
            yield return ("method.target_modules", "all-linear stands alone; write target_modules: all-linear, or name the modules");
        if (method.Name == MethodName.Hybrid && method.Lambda.Min >= method.Lambda.Max)
            yield return ("method.lambda.min", string.Create(CultureInfo.InvariantCulture, $"min {method.Lambda.Min} must be below max {method.Lambda.Max}"));
        if (method is { Name: MethodName.Lora, Lora: { Dora: true, MaxDeltaRatio: not null } })
            yield return ("method.lora.max_delta_ratio", "bounds s·B·A, which is not the whole change of weights with dora; remove one of the two");
        if (method is { Name: MethodName.Hybrid, Boft.Parameterization: BoftParameterization.Projection })
            yield return ("method.boft.parameterization", "projection is not there for hybrid; write cayley, or leave it out");
        var rotates = method.Name is MethodName.Hybrid or MethodName.Boft;
        if (rotates && method.Boft.ButterflyFactors > 1 && method.Boft.BlockSize % 2 != 0)
            yield return ("method.boft.block_size", $"must be even with butterfly_factors {method.Boft.ButterflyFactors}; write {method.Boft.BlockSize + 1}, or butterfly_factors: 1");
    }

    private static IEnumerable<(string Key, string Message)> Training(RunSpec spec)
    {
        var training = spec.Training;
        if (training.Steps is null && training.Epochs is null) yield return ("training.steps", "missing; write steps: 200, or epochs: 1");
        if (training.Steps is not null && training.Epochs is not null) yield return ("training.epochs", "given beside training.steps; remove one of them (--set training.epochs=null)");
        if (training.GlobalBatch % training.Microbatch != 0)
        {
            var divisor = Enumerable.Range(1, training.Microbatch).Last(candidate => training.GlobalBatch % candidate == 0);
            yield return ("training.microbatch", $"{training.Microbatch} does not divide global_batch {training.GlobalBatch}; write {divisor}, or change global_batch");
        }

        if (spec.Elastic.MinSilos > spec.Elastic.MaxSilos)
            yield return ("elastic.min_silos", $"{spec.Elastic.MinSilos} is above max_silos {spec.Elastic.MaxSilos}; lower it or raise max_silos");
    }
}
