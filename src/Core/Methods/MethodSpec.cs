using System.Globalization;

namespace Peft.Orleans.Core.Methods;

/// <summary>Section <c>method</c>.</summary>
[GenerateSerializer(GenerateFieldIds = GenerateFieldIds.PublicProperties), Immutable]
[Alias("Peft.Orleans.MethodSpec")]
public sealed record MethodSpec
{
    /// <summary>The method.</summary>
    public MethodName Name { get; init; } = MethodName.Hybrid;

    /// <summary>
    /// Modules that get an adapter, by their names or the ends of these from a dot on: <c>q_proj</c> in all layers,
    /// <c>layers.3.self_attn.q_proj</c> in one. The single entry <c>all-linear</c> stands for every linear module of the decoder layers.
    /// </summary>
    public IReadOnlyList<string> TargetModules { get; init; } = new[] { Methods.TargetModules.AllLinear };

    /// <summary>Whether every linear module gets one.</summary>
    public bool AdaptsEveryLinear => TargetModules.Contains(Methods.TargetModules.AllLinear);

    /// <summary>LoRA options; also of LoRA-GA and Hybrid.</summary>
    public LoraSpec Lora { get; init; } = new();

    /// <summary>LoRA-GA options; also of Hybrid.</summary>
    public LoraGaSpec LoraGa { get; init; } = new();

    /// <summary>BOFT options; also of Hybrid.</summary>
    public BoftSpec Boft { get; init; } = new();

    /// <summary>uRNN options.</summary>
    public UrnnSpec Urnn { get; init; } = new();

    /// <summary>Mixing coefficient of Hybrid.</summary>
    public LambdaSpec Lambda { get; init; } = new();

    /// <summary>An adapter folder (ours or PEFT's) whose tensors replace initialisation.</summary>
    public string? InitialAdapter { get; init; }

    /// <summary>The options as they hold for one module: with its own rank and α where patterns give it some.</summary>
    /// <param name="module">The module's whole name.</param>
    public MethodSpec At(string module) =>
        Lora is { RankPattern: null, AlphaPattern: null } ? this : this with { Lora = Lora.At(module) };
}

/// <summary>Section <c>method.lora</c>.</summary>
[GenerateSerializer(GenerateFieldIds = GenerateFieldIds.PublicProperties), Immutable]
[Alias("Peft.Orleans.LoraSpec")]
public sealed record LoraSpec
{
    /// <summary>Rank r.</summary>
    public int Rank { get; init; } = 16;

    /// <summary>α; the scale is α/r (α/√r with rsLoRA).</summary>
    public double Alpha { get; init; } = 32;

    /// <summary>Ranks of single modules; null: all have <see cref="Rank"/>.</summary>
    public IReadOnlyList<ModulePattern>? RankPattern { get; init; }

    /// <summary>α of single modules; null: all have <see cref="Alpha"/>.</summary>
    public IReadOnlyList<ModulePattern>? AlphaPattern { get; init; }

    /// <summary>Dropout probability on the low-rank path's input.</summary>
    public double Dropout { get; init; }

    /// <summary>Rank-stabilised scale α/√r.</summary>
    public bool Rslora { get; init; }

    /// <summary>Weight-decomposed LoRA.</summary>
    public bool Dora { get; init; }

    /// <summary>Bound c of Eq. 2, ‖ΔW‖ ≤ c‖W0‖; null: none.</summary>
    public double? MaxDeltaRatio { get; init; }

    /// <summary>The options of one module, by its whole name, without patterns.</summary>
    internal LoraSpec At(string module) => this with
    {
        Rank = (int?)ModulePattern.ValueOf(RankPattern, module) ?? Rank,
        Alpha = ModulePattern.ValueOf(AlphaPattern, module) ?? Alpha,
        RankPattern = null,
        AlphaPattern = null,
    };
}

/// <summary>Section <c>method.lora_ga</c>.</summary>
[GenerateSerializer(GenerateFieldIds = GenerateFieldIds.PublicProperties), Immutable]
[Alias("Peft.Orleans.LoraGaSpec")]
public sealed record LoraGaSpec
{
    /// <summary>Initialisation.</summary>
    public LoraGaInitialization Initialization { get; init; } = LoraGaInitialization.Stable;

    /// <summary>Samples of the gradient estimate.</summary>
    public int GradientSamples { get; init; } = 64;

    /// <summary>How the gradient is estimated.</summary>
    public GradientEstimate GradientEstimate { get; init; }

    /// <summary>γ of the stable initialisation.</summary>
    public double Gamma { get; init; } = 16;
}

/// <summary>Section <c>method.boft</c>.</summary>
[GenerateSerializer(GenerateFieldIds = GenerateFieldIds.PublicProperties), Immutable]
[Alias("Peft.Orleans.BoftSpec")]
public sealed record BoftSpec
{
    /// <summary>Block size b.</summary>
    public int BlockSize { get; init; } = 8;

    /// <summary>Number of butterfly factors m.</summary>
    public int ButterflyFactors { get; init; } = 3;

    /// <summary>Side; Hybrid is always output side.</summary>
    public BoftSide Side { get; init; }

    /// <summary>Parameterisation.</summary>
    public BoftParameterization Parameterization { get; init; }

    /// <summary>η of the Cayley transform.</summary>
    public double Eta { get; init; } = 1.0;
}

/// <summary>Section <c>method.urnn</c>.</summary>
[GenerateSerializer(GenerateFieldIds = GenerateFieldIds.PublicProperties), Immutable]
[Alias("Peft.Orleans.UrnnSpec")]
public sealed record UrnnSpec
{
    /// <summary>Kind.</summary>
    public UrnnKind Kind { get; init; }

    /// <summary>Mode.</summary>
    public UrnnMode Mode { get; init; }

    /// <summary>Block size of the dense kind.</summary>
    public int BlockSize { get; init; } = 8;
}

/// <summary>Section <c>method.lambda</c>.</summary>
[GenerateSerializer(GenerateFieldIds = GenerateFieldIds.PublicProperties), Immutable]
[Alias("Peft.Orleans.LambdaSpec")]
public sealed record LambdaSpec
{
    /// <summary>Which norms.</summary>
    public LambdaNorms Norms { get; init; }

    /// <summary>One λ per what.</summary>
    public LambdaGranularity Granularity { get; init; }

    /// <summary><c>gradients</c> or a number: λ before the first step.</summary>
    public string Initial { get; init; } = "gradients";

    /// <summary>Weight of the former λ.</summary>
    public double Ema { get; init; }

    /// <summary>Lower bound.</summary>
    public double Min { get; init; } = 0.01;

    /// <summary>Upper bound.</summary>
    public double Max { get; init; } = 0.99;

    /// <summary>A constant λ; null: computed.</summary>
    public double? Fixed { get; init; }

    /// <summary>Whether λ before the first step comes from the gradients.</summary>
    public bool BeginsFromGradients => Initial == "gradients";

    /// <summary>λ before the first step where it is a number in (0, 1).</summary>
    public double? InitialNumber =>
        double.TryParse(Initial, CultureInfo.InvariantCulture, out var number) && number is > 0 and < 1 ? number : null;
}
