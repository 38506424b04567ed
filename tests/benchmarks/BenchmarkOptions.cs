using System.Globalization;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Torch;
using static TorchSharp.torch;

namespace Peft.Orleans.Benchmarks;

/// <summary>The command line: <c>--name value</c> pairs behind the benchmark's name; of two with one name the first holds.</summary>
internal sealed class BenchmarkOptions(string[] args)
{
    /// <summary>
    /// Steps before the clock starts: the runtime recompiles what it has seen running, and a step is a tenth slower until it has.
    /// </summary>
    internal const int WarmSteps = 15;

    private readonly Dictionary<string, string> values = args.Chunk(2)
        .DistinctBy(static pair => pair[0])
        .ToDictionary(static pair => pair[0].TrimStart('-'), static pair => pair[1]);

    internal string[] Args => args;

    internal string Text(string name, string otherwise) => values.GetValueOrDefault(name, otherwise);

    internal int Number(string name, int otherwise) =>
        values.TryGetValue(name, out var text) ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;

    internal string[] List(string name, string otherwise) =>
        Text(name, otherwise).Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    internal string Model => Path.GetFullPath(Text("model", "examples/tiny-llama"));

    internal int Tokens => Number("tokens", 512);

    internal int Threads => Number("threads", 2);

    /// <summary>How weights are held; the model's own type unless given.</summary>
    internal WeightType Dtype => Parsed<WeightType>("dtype") ?? ModelFolder.Open(Model).StoredType;

    /// <summary>The type that products are made in; to be asked after libtorch is loaded.</summary>
    internal ProductType Products => Parsed<ProductType>("products") ?? TorchRuntime.ProductsOf(Dtype);

    internal ScalarType ProductScalar =>
        Products == ProductType.Float32 || Dtype == WeightType.Float32 ? ScalarType.Float32
        : Dtype == WeightType.BFloat16 ? ScalarType.BFloat16
        : ScalarType.Float16;

    /// <summary>Tokens and threads, for a heading.</summary>
    internal string Size => $"1 × {Tokens} tokens, {Threads} threads";

    /// <summary>Model and types, for a heading.</summary>
    internal string Title => $"{Path.GetFileName(Model)}, {Dtype}, products {ProductScalar}";

    /// <summary>
    /// The run without a gradient estimate, which some benchmarks do not make: LoRA-GA starts from random factors, λ from a half.
    /// </summary>
    internal static RunSpec WithoutEstimate(RunSpec spec) => spec with
    {
        Method = spec.Method with
        {
            LoraGa = new LoraGaSpec { Initialization = LoraGaInitialization.Random },
            Lambda = new LambdaSpec { Initial = "0.5" },
        },
    };

    /// <summary>The run of a method label: rank 16 on all seven projections unless the label says otherwise.</summary>
    internal RunSpec Spec(string label) => new()
    {
        Name = "benchmark",
        Model = new ModelSpec { Path = Model, Dtype = Dtype },
        Data = new DataSpec { Train = new DataSource { Path = "none", Format = DataFormat.Tokens } },
        Method = Method(label),
        Training = new TrainingSpec
        {
            Steps = 100000,
            GlobalBatch = 1,
            Microbatch = 1,
            Schedule = new ScheduleSpec { Name = ScheduleName.Constant },
        },
        Compute = new ComputeSpec { ThreadsPerSilo = Threads, Products = Products },
    };

    /// <summary>One sequence of random tokens, every one of them a target.</summary>
    internal Microbatch Batch()
    {
        var vocabulary = ModelFolder.Open(Model).Vocabulary;
        var random = new Random(1);
        var ids = Enumerable.Range(0, Tokens).Select(_ => random.Next(vocabulary)).ToArray();
        return new Microbatch { Rows = 1, Columns = Tokens, InputIds = ids, Labels = ids, SampleLengths = [[Tokens]], ContentHash = "" };
    }

    /// <summary>4 · parameters · tokens, or 6 · where all weights train: the products that a step cannot do without.</summary>
    internal double StepOperations(string label)
    {
        var model = ModelFolder.Open(Model).Dimensions;
        var parameters = (model.Blocks * model.BlockParameters) + (model.EmbeddingParameters * (model.Tied ? 1 : 2));
        return (label == "full" ? 6.0 : 4.0) * parameters * Tokens;
    }

    private T? Parsed<T>(string name) where T : struct, Enum =>
        values.TryGetValue(name, out var text) ? Enum.Parse<T>(text, ignoreCase: true) : null;

    private static MethodSpec Method(string label) => label switch
    {
        "lora" => new MethodSpec { Name = MethodName.Lora },
        "dora" => new MethodSpec { Name = MethodName.Lora, Lora = new LoraSpec { Dora = true } },
        "lora_ga" => new MethodSpec { Name = MethodName.LoraGa },
        "boft" => new MethodSpec { Name = MethodName.Boft },
        "boft-output" => new MethodSpec { Name = MethodName.Boft, Boft = new BoftSpec { Side = BoftSide.Output } },
        "hybrid" => new MethodSpec { Name = MethodName.Hybrid },
        "urnn" => new MethodSpec { Name = MethodName.Urnn },
        "urnn-qv" => new MethodSpec { Name = MethodName.Urnn, TargetModules = ["q_proj", "v_proj"] },
        "full" => new MethodSpec { Name = MethodName.Full },
        _ => throw new ArgumentException(
            $"--methods: '{label}' is none of lora, dora, lora_ga, boft, boft-output, hybrid, urnn, urnn-qv, full"),
    };
}
