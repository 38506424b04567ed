using CsCheck;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;
using Xunit;

namespace Peft.Orleans.Core.Tests.Runs;

/// <summary>What is written reads back as the same run; values on the command line win over the file.</summary>
public sealed class RunFileRoundTrip
{
    private const string Minimal = """
        name: demo
        model: { path: model }
        data: { train: { path: train.jsonl, format: messages } }
        training: { steps: 20 }
        """;

    private static readonly Gen<string> PathText = Gen.OneOf(
        Gen.String[Gen.Char["abcXYZ019 /._-:#'\"\\[]{}&*!|>%@`,?é漢\t\n"], 1, 20],
        OneOf("true", "null", "~", "12", "1e5", "- a", ".5", "a: b", " lead", "trail ", "\u2028", "0x1F", "yes"));

    [Fact]
    public void Defaults_are_those_of_the_records()
    {
        var spec = RunFile.Parse(Minimal);
        var plain = new RunSpec
        {
            Name = "demo",
            Model = new ModelSpec { Path = "model" },
            Data = new DataSpec { Train = new DataSource { Path = "train.jsonl", Format = DataFormat.Messages } },
            Training = new TrainingSpec { Steps = 20 },
        };
        Assert.Equal(RunFile.Write(plain), RunFile.Write(spec));
    }

    [Theory]
    [InlineData("null", null)]
    [InlineData("</s>", "</s>")]
    [InlineData("[\"<|end|>\", \"\\n\\n\"]", "<|end|>, \n\n")]
    public void The_end_of_turn_is_a_text_or_several(string written, string? expected)
    {
        var spec = RunFile.Parse(Minimal, "f", [$"data.end_of_turn={written}"]);
        Assert.Equal(expected, spec.Data.EndOfTurn is { } texts ? string.Join(", ", texts) : null);
        Assert.Equal(spec.Data.EndOfTurn, RunFile.Parse(RunFile.Write(spec)).Data.EndOfTurn);
    }

    [Fact]
    public void A_template_that_is_no_name_is_a_file_beside_the_run_file()
    {
        var spec = RunFile.Parse(Minimal, "f", ["data.chat_template=templates/mine.jinja"]);
        Assert.Equal("/runs/templates/mine.jinja", RunFile.Resolve(spec, "/runs").Data.ChatTemplate);
        Assert.Equal("vicuna", RunFile.Resolve(RunFile.Parse(Minimal, "f", ["data.chat_template=vicuna"]), "/runs").Data.ChatTemplate);
    }

    [Fact]
    public void Resolved_form_has_every_meaningful_default_and_nothing_else()
    {
        var hybrid = RunFile.Write(RunFile.Parse(Minimal));
        Assert.Contains(
            "  lambda:\n    norms: unmixed\n    granularity: layer\n    initial: gradients\n",
            hybrid,
            StringComparison.Ordinal
        );
        Assert.Contains("    boft_learning_rate: null\n", hybrid, StringComparison.Ordinal);
        Assert.Contains("    eps: 1.0e-08\n", hybrid, StringComparison.Ordinal);
        Assert.Contains("  chat_template: model\n", hybrid, StringComparison.Ordinal);
        Assert.Contains("  threads_per_silo: auto\n", hybrid, StringComparison.Ordinal);
        Assert.DoesNotContain("side:", hybrid, StringComparison.Ordinal);
        Assert.DoesNotContain("dora:", hybrid, StringComparison.Ordinal);
        Assert.DoesNotContain("urnn", hybrid, StringComparison.Ordinal);
        Assert.DoesNotContain("dtype", hybrid, StringComparison.Ordinal);
        Assert.DoesNotContain("validation:", hybrid, StringComparison.Ordinal);
        Assert.DoesNotContain("epochs", hybrid, StringComparison.Ordinal);

        var full = RunFile.Write(RunFile.Parse(Minimal, "f", ["method.name=full", "data.train.format=tokens"]));
        Assert.Contains("method:\n  name: full\ntraining:", full, StringComparison.Ordinal);
        Assert.DoesNotContain("mask_prompt", full, StringComparison.Ordinal);
        Assert.DoesNotContain("boft", full, StringComparison.Ordinal);
    }

    [Fact]
    public void Ranks_of_single_modules_keep_their_order()
    {
        string[] lora =
        [
            "method.name=lora",
            "method.target_modules=[q_proj, 'model.layers.0.mlp.up_proj']",
            @"method.lora={rank_pattern: {'layers\.0\..*': 4, q_proj: 8}, alpha_pattern: {q_proj: 2.5}}",
        ];
        var spec = RunFile.Parse(Minimal, "f", lora);
        Assert.Equal([new ModulePattern(@"layers\.0\..*", 4), new ModulePattern("q_proj", 8)], spec.Method.Lora.RankPattern!);
        Assert.Equal((4, 2.5), Of("model.layers.0.self_attn.q_proj"));
        Assert.Equal((8, 2.5), Of("model.layers.10.self_attn.q_proj"));
        Assert.Equal((16, 32), Of("model.layers.1.self_attn.v_proj"));
        var text = RunFile.Write(spec);
        Assert.Equal(text, RunFile.Write(RunFile.Parse(text)));
        var none = RunFile.Parse(Minimal, "f", ["method.name=lora", "method.lora.rank_pattern={}"]);
        Assert.Contains("rank_pattern: null", RunFile.Write(none), StringComparison.Ordinal);
        foreach (var wrong in (string[])["{q_proj: 0}", "{q_proj: 2.5}", "{q_proj: [1]}", "{'(': 4}", "[q_proj]", "4"])
        {
            var error = Assert.Throws<PeftException>(() => RunFile.Parse(Minimal, "f", [lora[0], $"method.lora.rank_pattern={wrong}"]));
            Assert.Contains("method.lora.rank_pattern", error.Message, StringComparison.Ordinal);
        }

        (int Rank, double Alpha) Of(string module) => (spec.Method.At(module).Lora.Rank, spec.Method.At(module).Lora.Alpha);
    }

    [Fact]
    public void Validation_file_without_format_gets_that_of_the_training_data()
    {
        var text = RunFile.Write(RunFile.Parse(Minimal, "f", ["data.validation.path=v.jsonl"]));
        Assert.Contains("  validation:\n    path: v.jsonl\n    format: messages\n", text, StringComparison.Ordinal);
        Assert.Equal(text, RunFile.Write(RunFile.Parse(text)));
    }

    [Fact]
    public void Every_method_and_format_reads_back_as_written()
    {
        foreach (var method in SpecWords<MethodName>())
            foreach (var format in SpecWords<DataFormat>())
            {
                var text = RunFile.Write(
                    RunFile.Parse(Minimal, "f", [$"method.name={method}", $"data.train.format={format}", "data.evaluation.path=e.jsonl"])
                );
                Assert.Equal(text, RunFile.Write(RunFile.Parse(text)));
            }
    }

    [Fact]
    public void Any_method_section_reads_back_from_its_json() => Runs.Sample(static spec =>
    {
        var json = RunFile.WriteMethod(spec).ToJsonString();
        return RunFile.WriteMethod(spec with { Method = RunFile.ParseMethod(json, "a.json") }).ToJsonString() == json;
    });

    [Fact]
    public void Any_run_reads_back_as_written() =>
        Runs.Sample(static spec =>
        {
            var text = RunFile.Write(spec);
            var again = RunFile.Parse(text);
            return RunFile.Write(again) == text
                && again.Name == spec.Name
                && again.Model == spec.Model
                && again.Seed == spec.Seed
                && again.Training.Optimizer.LearningRate.Equals(spec.Training.Optimizer.LearningRate)
                && again.Training.MaxGradNorm == spec.Training.MaxGradNorm
                && again.Compute == spec.Compute
                && again.Output == spec.Output
                && again.Data.Validation == spec.Data.Validation
                && again.Method.Lambda == spec.Method.Lambda
                && again.Method.TargetModules.SequenceEqual(spec.Method.TargetModules);
        });

    [Fact]
    public void A_value_set_on_the_command_line_wins() =>
        Gen.Select(Gen.Int[1, int.MaxValue], Gen.Long, Gen.Double[1e-9, 10])
            .Sample(
                static (steps, seed, rate) =>
                {
                    var spec = RunFile.Parse(
                        Minimal + "\nseed: 3",
                        "f",
                        [
                            $"training.steps={steps}",
                            $"seed={seed}",
                            FormattableString.Invariant($"training.optimizer.learning_rate={rate:R}"),
                        ]
                    );
                    return spec.Training.Steps == steps && spec.Seed == seed && spec.Training.Optimizer.LearningRate.Equals(rate);
                }
            );

    [Fact]
    public void Of_two_values_the_later_wins_and_null_takes_a_value_back()
    {
        var spec = RunFile.Parse(
            Minimal,
            "f",
            [
                "training.epochs=2",
                "training.steps=null",
                "seed=1",
                "seed=2",
                "method.target_modules=[q_proj, v_proj]",
                "data={train: {path: x, format: text}}",
            ]
        );
        Assert.Null(spec.Training.Steps);
        Assert.Equal(2, spec.Training.Epochs);
        Assert.Equal(2, spec.Seed);
        Assert.Equal(["q_proj", "v_proj"], spec.Method.TargetModules);
        Assert.Equal(DataFormat.Text, spec.Data.Train[0].Format);
    }

    [Fact]
    public void Paths_are_relative_to_the_file()
    {
        var folder = Directory.CreateTempSubdirectory("peft-run-file").FullName;
        try
        {
            var file = Path.Combine(folder, "run.yaml");
            File.WriteAllText(file, Minimal + "\noutput: ../runs");
            var spec = RunFile.Load(file, ["method.initial_adapter=there"]);
            Assert.Equal(Path.Combine(folder, "model"), spec.Model.Path);
            Assert.Equal(Path.Combine(folder, "train.jsonl"), spec.Data.Train[0].Path);
            Assert.Equal(Path.Combine(folder, "there"), spec.Method.InitialAdapter);
            Assert.Equal(Path.GetFullPath(Path.Combine(folder, "../runs")), spec.Output);
            Assert.Equal(RunFile.Write(spec), RunFile.Write(RunFile.Resolve(spec, "/elsewhere")));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static readonly Gen<RunSpec> Runs =
        from name in OneOf("a", "12", "true", "null", "1.5", "x-1.y_z")
        from seed in Gen.Long
        from paths in Gen.Select(PathText, PathText, PathText)
        from dtype in OneOf<WeightType?>(null, WeightType.BFloat16, WeightType.Float32, WeightType.Float16)
        from method in OneOf(Enum.GetValues<MethodName>())
        from numbers in Gen.Select(Gen.Double[1e-12, 1e12], Gen.Double[0.01, 0.99], Gen.Int[1, 1000])
        from optional in Gen.Select(Gen.Bool, Gen.Bool)
        from targets in OneOf<IReadOnlyList<string>>(["all-linear"], ["q_proj"], ["query", "value"])
        select new RunSpec
        {
            Name = name,
            Seed = seed,
            Model = new ModelSpec { Path = paths.Item1, Dtype = dtype },
            Data = new DataSpec
            {
                Train = new DataSource { Path = paths.Item2, Format = DataFormat.Completion },
                Validation = optional.Item1 ? new ValidationSource { Fraction = numbers.Item2 } : null,
                MaxLength = numbers.Item3 + 1,
            },
            Method = method switch
            {
                MethodName.Full => new MethodSpec { Name = method },
                MethodName.Hybrid => new MethodSpec
                {
                    Name = method,
                    TargetModules = targets,
                    Lambda = new LambdaSpec
                    {
                        Initial = optional.Item2 ? "0.25" : "gradients",
                        Min = numbers.Item2 / 2,
                        Max = numbers.Item2,
                        Fixed = optional.Item1 ? numbers.Item2 : null,
                    },
                },
                _ => new MethodSpec { Name = method, TargetModules = targets },
            },
            Training = new TrainingSpec
            {
                Steps = numbers.Item3,
                Optimizer = new OptimizerSpec { LearningRate = numbers.Item1 },
                MaxGradNorm = optional.Item2 ? null : numbers.Item1,
            },
            Compute = new ComputeSpec
            {
                ThreadsPerSilo = optional.Item1 ? 2 : null,
                Products = optional.Item2 ? ProductType.Float32 : null,
            },
            Output = paths.Item3,
        };

    private static Gen<T> OneOf<T>(params T[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);

    private static IEnumerable<string> SpecWords<T>() where T : struct, Enum =>
        Enum.GetNames<T>().Select(static name => System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(name));
}
