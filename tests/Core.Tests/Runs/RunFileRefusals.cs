using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;
using Xunit;

namespace Peft.Orleans.Core.Tests.Runs;

/// <summary>Every refusal names file and line, key, and what to write instead.</summary>
public sealed class RunFileRefusals
{
    private const string Valid = """
        name: demo
        model:
          path: model
        data:
          train: { path: train.jsonl, format: messages }
        training:
          steps: 20
        """;

    public static TheoryData<string, string, string> Table =>
        new()
        {
            // appended text (lines 8 on), place, part of the message
            { "traning:\n  steps: 3", "run.yaml:8: traning: unknown key", "did you mean training?" },
            { "method:\n  nam: lora", "run.yaml:9: method.nam: unknown key", "did you mean method.name?" },
            { "method:\n  rank: 8", "run.yaml:9: method.rank: unknown key", "did you mean method.lora.rank?" },
            { "method:\n  lora:\n    lora_alpha: 8", "run.yaml:10: method.lora.lora_alpha: unknown key", "write method.lora.alpha" },
            {
                "method:\n  modules_to_save: [lm_head]",
                "run.yaml:9: method.modules_to_save: unknown key",
                "PEFT's modules_to_save is not implemented"
            },
            { "method:\n  rank_pattern: {}", "run.yaml:9: method.rank_pattern", "not implemented" },
            { "qqqqqqqqqqqqqqqqqqqq: 1", "run.yaml:8: qqqqqqqqqqqqqqqqqqqq: unknown key", "write one of name, seed, model" },
            { "seed: many", "run.yaml:8: seed: expected an integer", "found the text 'many'" },
            { "seed: \"5\"", "run.yaml:8: seed: expected an integer", "found the text '5'" },
            { "seed: 1.5", "run.yaml:8: seed: expected an integer", "found 1.5" },
            { "method:\n  name: hybird", "run.yaml:9: method.name: expected one of full, lora", "did you mean hybrid?" },
            { "method: hybrid", "run.yaml:8: method: expected a section with keys of name", "found the text 'hybrid'" },
            { "method:", "run.yaml:8: method: expected a section", "found nothing" },
            { "snapshots: { every: -1 }", "run.yaml:8: snapshots.every: expected an integer of at least 0", "found -1" },
            {
                "snapshots: { every: 3000000000 }",
                "run.yaml:8: snapshots.every: expected an integer of at most 2147483647",
                "found 3000000000"
            },
            { "elastic: { min_silos: 3, max_silos: 2 }", "run.yaml:8: elastic.min_silos", "raise max_silos" },
            {
                "compute: { threads_per_silo: 0 }",
                "run.yaml:8: compute.threads_per_silo: expected auto or an integer of at least 1",
                "found 0"
            },
            {
                "compute: { products: bf16 }",
                "run.yaml:8: compute.products: expected one of auto, native, float32",
                "found the text 'bf16'"
            },
            {
                "method:\n  name: lora\n  lambda: { ema: 0.5 }",
                "run.yaml:10: method.lambda has no meaning with method.name lora",
                "set method.name to hybrid"
            },
            {
                "method:\n  name: lora\n  boft:\n    block_size: 4",
                "run.yaml:10: method.boft has no meaning with method.name lora",
                "boft or hybrid"
            },
            {
                "method:\n  name: hybrid\n  boft:\n    side: output",
                "run.yaml:11: method.boft.side has no meaning with method.name hybrid",
                "set method.name to boft"
            },
            {
                "method:\n  lora: { dora: true }",
                "run.yaml:9: method.lora.dora has no meaning with method.name hybrid",
                "set method.name to lora"
            },
            {
                "method:\n  name: lora_ga\n  lora: { max_delta_ratio: 0.1 }",
                "run.yaml:10: method.lora.max_delta_ratio has no meaning",
                "set method.name to lora"
            },
            {
                "method:\n  name: full\n  target_modules: all-linear",
                "run.yaml:10: method.target_modules has no meaning with method.name full",
                "remove it"
            },
            {
                "method:\n  name: full\n  initial_adapter: there",
                "run.yaml:10: method.initial_adapter has no meaning with method.name full",
                "remove it"
            },
            {
                "method:\n  name: urnn\n  urnn:\n    block_size: 4",
                "run.yaml:11: method.urnn.block_size has no meaning with method.urnn.kind structured",
                "set method.urnn.kind to dense"
            },
            {
                "method:\n  name: urnn\n  lora: { rank: 4 }",
                "run.yaml:10: method.lora has no meaning with method.name urnn",
                "remove it"
            },
            { "method:\n  target_modules: [all-linear, q_proj]", "run.yaml:9: method.target_modules", "all-linear stands alone" },
            {
                "method:\n  target_modules: [q_proj, q_proj]",
                "run.yaml:9: method.target_modules: expected all-linear or a list of different names",
                "[q_proj, q_proj]"
            },
            { "method:\n  lambda: { min: 0.0 }", "run.yaml:9: method.lambda.min: expected a number above 0 and below 1", "found 0.0" },
            { "method:\n  lambda: { max: 1.0 }", "run.yaml:9: method.lambda.max", "below 1" },
            { "method:\n  lambda: { min: 0.6, max: 0.5 }", "run.yaml:9: method.lambda.min", "must be below max 0.5" },
            {
                "method:\n  lambda: { initial: gradient }",
                "run.yaml:9: method.lambda.initial: expected gradients or a number above 0",
                "found the text 'gradient'"
            },
            { "method:\n  boft: { block_size: 5 }", "run.yaml:9: method.boft.block_size", "must be even" },
            { "method:\n  boft: { parameterization: projection }", "run.yaml:9: method.boft.parameterization", "write cayley" },
            {
                "method:\n  name: lora\n  lora: { dora: true, max_delta_ratio: 0.1 }",
                "run.yaml:10: method.lora.max_delta_ratio",
                "remove one of the two"
            },
            { "method: { name: full }\nmodel: { path: x }", "run.yaml:9: not valid YAML", "" },
        };

    [Theory]
    [MemberData(nameof(Table))]
    public void Refusal_names_place_key_and_remedy(string appended, string place, string remedy)
    {
        var error = Assert.Throws<PeftException>(() => RunFile.Parse(Valid + "\n" + appended, "run.yaml"));
        Assert.Contains(place, error.Message, StringComparison.Ordinal);
        Assert.Contains(remedy, error.Message, StringComparison.Ordinal);
    }

    public static TheoryData<string, string, string> Replaced =>
        new()
        {
            { "  steps: 20", "  global_batch: 4", "run.yaml:6: training.steps: missing; write steps: 200, or epochs: 1" },
            { "  steps: 20", "  steps: 20\n  epochs: 1", "run.yaml:8: training.epochs: given beside training.steps" },
            { "  steps: 20", "  steps: 0", "run.yaml:7: training.steps: expected an integer of at least 1, or null, found 0" },
            {
                "  steps: 20",
                "  steps: 20\n  global_batch: 10\n  microbatch: 4",
                "run.yaml:9: training.microbatch: 4 does not divide global_batch 10; write 2"
            },
            { "  steps: 20", "  steps: 20\n  validate_every: 5", "run.yaml:8: training.validate_every: needs validation data" },
            {
                "  steps: 20",
                "  steps: 20\n  early_stopping: { patience: 2 }",
                "run.yaml:8: training.early_stopping.patience: needs validation data"
            },
            {
                "  steps: 20",
                "  steps: 20\n  early_stopping: { keep_best: true }",
                "run.yaml:8: training.early_stopping.keep_best: needs validation data"
            },
            {
                "  steps: 20",
                "  steps: 20\n  optimizer: { betas: [0.9] }",
                "run.yaml:8: training.optimizer.betas: expected a list of 2 numbers"
            },
            {
                "  steps: 20",
                "  steps: 20\n  optimizer: { learning_rate: 0 }",
                "run.yaml:8: training.optimizer.learning_rate: expected a number above 0, found 0"
            },
            {
                "  steps: 20",
                "  steps: 20\n  optimizer: { lr: 1e-4 }",
                "run.yaml:8: training.optimizer.lr: unknown key; write training.optimizer.learning_rate"
            },
            {
                "  steps: 20",
                "  steps: 20\n  optimizer: { name: sgd, betas: [0.9, 0.95] }",
                "run.yaml:8: training.optimizer.betas has no meaning with training.optimizer.name sgd"
            },
            {
                "  steps: 20",
                "  steps: 20\nmethod: { name: lora }\ncompute: {}\nseed: 1\nelastic: {}\nsnapshots: {}\noutput: \"\"",
                "run.yaml:13: output: expected text, found the text ''"
            },
            { "name: demo", "seed: 4", "run.yaml:1: name: missing; write name: NAME" },
            { "name: demo", "name: a/b", "run.yaml:1: name: expected letters, digits" },
            {
                "  path: model",
                "  path: model\n  dtype: int8",
                "run.yaml:4: model.dtype: expected one of float32, bfloat16, float16, nf4, or null, found the text 'int8'"
            },
            { "  path: model", "  dtype: nf4", "run.yaml:2: model.path: missing; write path: PATH" },
            { "format: messages }", "}", "run.yaml:5: data.train.format: missing; write format: messages | alpaca" },
            { "format: messages }", "format: jsonl }", "run.yaml:5: data.train.format: expected one of messages" },
            {
                "format: messages }",
                "format: tokens }\n  mask_prompt: true",
                "run.yaml:6: data.mask_prompt has no meaning with data.train.format tokens; remove it"
            },
            {
                "format: messages }",
                "format: text }\n  chat_template: chatml",
                "run.yaml:6: data.chat_template has no meaning with data.train.format text"
            },
            { "format: messages }", "format: messages }\n  validation: {}", "run.yaml:6: data.validation: needs fraction or path" },
            {
                "format: messages }",
                "format: messages }\n  validation: { fraction: 0.1, path: v.jsonl }",
                "run.yaml:6: data.validation: has both"
            },
            {
                "format: messages }",
                "format: messages }\n  validation: { fraction: 0.1, format: text }",
                "run.yaml:6: data.validation.format: belongs to"
            },
            {
                "format: messages }",
                "format: messages }\n  validation: { fraction: 1.0 }",
                "run.yaml:6: data.validation.fraction: expected a number above 0 and below 1"
            },
            {
                "format: messages }",
                "format: messages }\n  evaluation: { metric: last_number }",
                "run.yaml:6: data.evaluation.path: missing"
            },
        };

    [Theory]
    [MemberData(nameof(Replaced))]
    public void Refusal_in_place_of_a_valid_line(string line, string instead, string message)
    {
        Assert.Contains(line, Valid, StringComparison.Ordinal);
        var error = Assert.Throws<PeftException>(() => RunFile.Parse(Valid.Replace(line, instead, StringComparison.Ordinal), "run.yaml"));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void All_refusals_of_a_file_are_told_at_once()
    {
        var error = Assert.Throws<PeftException>(() =>
            RunFile.Parse(Valid + "\nseeed: 3\nmethod: { name: lora, lambda: { min: 0.2 } }\noutputs: x", "f.yaml")
        );
        Assert.Equal(3, error.Message.Split('\n').Length);
    }

    [Fact]
    public void Full_fine_tuning_cannot_hold_its_weights_in_four_bits()
    {
        var error = Assert.Throws<PeftException>(() => RunFile.Parse(Valid, "f.yaml", ["method.name=full", "model.dtype=nf4"]));
        Assert.Contains("--set model.dtype=nf4: model.dtype: nf4 holds frozen weights", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "f.yaml:1: the file is empty")]
    [InlineData("- a\n- b", "f.yaml:1: a run file is a list of 'key: value' lines")]
    [InlineData("name: a\n---\nname: b", "a second YAML document")]
    [InlineData("name: [a", "f.yaml:1: not valid YAML")]
    [InlineData("name: a\ndata:\n  train: { path: x }\n\tmax_length: 2\n", "f.yaml:4: not valid YAML: a tab in the indentation")]
    [InlineData("name: a\ndata:\n\ttrain: x\n", "f.yaml:3: not valid YAML: a tab in the indentation")]
    [InlineData("name: a\r\ndata: x\r\n\tmax_length: 2\r\n", "f.yaml:3: not valid YAML: a tab in the indentation")]
    [InlineData("name: a\ndata: { train: x\nmodel: y\n", "not valid YAML: a '{' or '[' is not closed")]
    [InlineData("name: a\nname: b\n", "f.yaml:2: not valid YAML: Duplicate key name")]
    [InlineData("name: a\nmodel: *base\n", "*base repeats what &base names, and no &base stands before it")]
    [InlineData("name: a\ndata: &d\n  train: *d\n", "f.yaml:3: *d stands inside what &d names")]
    public void Text_that_is_no_run_file(string yaml, string message) =>
        Assert.Contains(message, Assert.Throws<PeftException>(() => RunFile.Parse(yaml, "f.yaml")).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("training.steps", "expected key=value")]
    [InlineData("training..steps=3", "a part of the key is empty")]
    [InlineData("training.stepz=3", "--set training.stepz=3: training.stepz: unknown key; did you mean training.steps?")]
    [InlineData("training.steps=abc", "--set training.steps=abc: training.steps: expected an integer")]
    [InlineData("name.first=a", "name is a value, not a section")]
    [InlineData("method.target_modules=[a", "the value is not valid YAML")]
    public void Bad_overrides(string assignment, string message) =>
        Assert.Contains(
            message,
            Assert.Throws<PeftException>(() => RunFile.Parse(Valid, "f.yaml", [assignment])).Message,
            StringComparison.Ordinal
        );

    [Fact]
    public void A_run_that_trains_nothing()
    {
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, Valid);
            Assert.Contains(
                "the list is empty",
                Assert.Throws<PeftException>(() => RunFile.Load(file, ["method.target_modules=[]"])).Message,
                StringComparison.Ordinal
            );
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Theory]
    [InlineData("{\"name\": \"lora\", \"lamda\": {}}", "a.json:1: method.lamda: unknown key; did you mean method.lambda?")]
    [InlineData("{\n  \"name\": \"lora\",\n  \"boft\": {}}", "a.json:3: method.boft has no meaning with method.name lora")]
    [InlineData("{\"lambda\": {\"min\": 0.7, \"max\": 0.6}}", "a.json:1: method.lambda.min: min 0.7 must be below")]
    public void A_method_section_of_an_adapter(string json, string message) =>
        Assert.Contains(message, Assert.Throws<PeftException>(() => RunFile.ParseMethod(json, "a.json")).Message, StringComparison.Ordinal);

    [Fact]
    public void Absent_file_is_named() =>
        Assert.Contains(
            "no-such-file.yaml",
            Assert.Throws<PeftException>(() => RunFile.Load("no-such-file.yaml")).Message,
            StringComparison.Ordinal
        );

    [Fact]
    public void A_folder_is_no_run_file() =>
        Assert.Contains(
            ". is a folder; name a run file",
            Assert.Throws<PeftException>(() => RunFile.Load(".")).Message,
            StringComparison.Ordinal
        );

    [Fact]
    public void Text_without_end_of_nesting()
    {
        var yaml = "name: " + new string('[', 100_000);
        Assert.Contains(
            "f.yaml:1: nested deeper than 64",
            Assert.Throws<PeftException>(() => RunFile.Parse(yaml, "f.yaml")).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Stable_initialisation_needs_room_for_twice_the_rank()
    {
        var spec = RunFile.Parse(Valid, "f.yaml", ["method.name=lora_ga", "method.lora.rank=16"]);
        Assert.Empty(RunRules.CheckShapes(spec.Method, [("q_proj", 64, 32)]));
        var (key, message) = Assert.Single(RunRules.CheckShapes(spec.Method, [("q_proj", 64, 64), ("k_proj", 31, 64)]));
        Assert.Equal("method.lora_ga.initialization", key);
        Assert.Contains("k_proj is 31 × 64", message, StringComparison.Ordinal);
        Assert.Empty(RunRules.CheckShapes(spec.Method with { Name = MethodName.Lora }, [("k_proj", 31, 64)]));
    }

    [Theory]
    [InlineData("hybrid", 48, 64, "k_proj has 48 outputs, which block_size 8 × 2^(butterfly_factors 3 − 1) = 32 does not divide")]
    [InlineData("boft", 64, 48, "k_proj has 48 inputs")]
    [InlineData("boft", 48, 64, null)]
    [InlineData("lora", 48, 48, null)]
    public void Butterfly_groups_divide_the_rotated_side(string method, int d, int k, string? message)
    {
        var spec = RunFile.Parse(Valid, "f.yaml", [$"method.name={method}"]);
        var broken = RunRules.CheckShapes(spec.Method, [("k_proj", d, k)]).ToArray();
        if (message is null) Assert.Empty(broken);
        else Assert.Contains(message, Assert.Single(broken).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{ mode: replace }", 64, 48, "k_proj is 64 × 48")]
    [InlineData("{ mode: replace }", 64, 64, null)]
    [InlineData("{}", 64, 47, "k_proj has 47 inputs")]
    [InlineData("{ kind: dense, block_size: 8 }", 64, 40, "k_proj has 40 inputs, 20 pairs, which 8 does not divide")]
    [InlineData("{ kind: dense, block_size: 8 }", 47, 48, null)]
    public void Unitary_maps_pair_the_inputs(string urnn, int d, int k, string? message)
    {
        var spec = RunFile.Parse(Valid + $"\nmethod: {{ name: urnn, urnn: {urnn} }}\n", "f.yaml", []);
        var broken = RunRules.CheckShapes(spec.Method, [("k_proj", d, k)]).ToArray();
        if (message is null) Assert.Empty(broken);
        else Assert.Contains(message, Assert.Single(broken).Message, StringComparison.Ordinal);
    }
}
