// Benchmarks of a training step: docs/benchmarks.md has the commands and the figures.
//   dotnet run -c Release --project tests/benchmarks -- --model DIR [--method lora|hybrid|full] [--dtype bfloat16] [--tokens 512] [--threads 2] [--pairs 30]
using System.Diagnostics;
using System.Globalization;
using Peft.Orleans.Benchmarks;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.HuggingFace;
using Peft.Orleans.Kernels.Torch;
using static TorchSharp.torch;

var options = args.Chunk(2).ToDictionary(static pair => pair[0].TrimStart('-'), static pair => pair[1]);
string Option(string name, string otherwise) => options.GetValueOrDefault(name, otherwise);
var model = Path.GetFullPath(Option("model", "examples/tiny-llama"));
var tokens = int.Parse(Option("tokens", "512"), CultureInfo.InvariantCulture);
var threads = int.Parse(Option("threads", "2"), CultureInfo.InvariantCulture);
var pairs = int.Parse(Option("pairs", "30"), CultureInfo.InvariantCulture);
TorchRuntime.Initialize(threads);
var config = LlamaConfig.Read(model);
var dtype = Enum.Parse<WeightType>(Option("dtype", (config.TorchDtype ?? WeightType.Float32).ToString()), ignoreCase: true);
var method = Enum.Parse<MethodName>(Option("method", "lora"), ignoreCase: true);
ProductType? asked = options.TryGetValue("products", out var products) ? Enum.Parse<ProductType>(products, ignoreCase: true) : null;
var spec = new RunSpec
{
    Name = "benchmark",
    Model = new ModelSpec { Path = model, Dtype = dtype },
    Data = new DataSpec { Train = new DataSource { Path = "none", Format = DataFormat.Tokens } },
    Method = new MethodSpec { Name = method, LoraGa = new LoraGaSpec { Initialization = LoraGaInitialization.Random }, Lambda = new LambdaSpec { Initial = "0.5" } },
    Training = new TrainingSpec { Steps = 1000, GlobalBatch = 1, Microbatch = 1, Schedule = new ScheduleSpec { Name = ScheduleName.Constant }, Recompute = RecomputePolicy.Never },
    Compute = new ComputeSpec { ThreadsPerSilo = threads, Products = TorchRuntime.ResolveProducts(dtype, asked) },
};

var random = new Random(1);
var ids = Enumerable.Range(0, tokens).Select(_ => random.Next(config.VocabSize)).ToArray();
var batch = new Microbatch { Rows = 1, Columns = tokens, InputIds = ids, Labels = ids, SampleLengths = [[tokens]], ContentHash = "" };
var productType = spec.Compute.Products == ProductType.Float32 || dtype == WeightType.Float32 ? ScalarType.Float32 : dtype == WeightType.BFloat16 ? ScalarType.BFloat16 : ScalarType.Float16;
var rate = MatmulRate.Measure(productType);
Console.WriteLine(FormattableString.Invariant($"{method} on {Path.GetFileName(model)}, weights {dtype}, products {productType}, 1 × {tokens} tokens, {threads} threads; products of 2048³: {rate / 1e9:F0} GFLOP/s"));

using var bare = new BareLoop(spec);
await using var silo = await SiloPath.Open(spec, threads);
for (var warm = 1; warm <= 2; warm++)
{
    bare.Step(warm, batch);
    await silo.Step(warm, batch);
}

var measured = new List<(double Silo, double Bare)>();
for (var pair = 0; pair < pairs; pair++)
{
    var step = pair + 3;
    // Which goes first alternates, so that drift of the machine falls on both.
    double siloSeconds = 0, bareSeconds = 0;
    for (var turn = 0; turn < 2; turn++)
    {
        var start = Stopwatch.GetTimestamp();
        if ((turn + pair) % 2 == 0)
        {
            await silo.Step(step, batch);
            siloSeconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
        else
        {
            bare.Step(step, batch);
            bareSeconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
    }

    measured.Add((siloSeconds, bareSeconds));
}

var seconds = PairedRatio.MedianOf([.. measured.Select(static pair => pair.Silo).Order()]);
var parameters = config.NumHiddenLayers * LlamaDimensions.Of(config).BlockParameters + ((long)config.VocabSize * config.HiddenSize * (config.TieWordEmbeddings ? 1 : 2));
var factor = method == MethodName.Full ? 6.0 : 4.0;
Console.WriteLine(FormattableString.Invariant($"seconds per step through the silo: {seconds:F3} (bare loop {PairedRatio.MedianOf([.. measured.Select(static pair => pair.Bare).Order()]):F3}), {tokens / seconds:F0} tokens/s"));
Console.WriteLine(FormattableString.Invariant($"share: {factor * parameters * tokens / (seconds * rate):F3}"));
Console.WriteLine($"silo / bare loop: {PairedRatio.Of(measured)}");
Console.WriteLine(FormattableString.Invariant($"peak memory of this process (both copies of the model): {Process.GetCurrentProcess().PeakWorkingSet64 / 1048576.0:F0} MiB"));
