using Peft.Orleans.Core.Runs;
using Xunit;

namespace Peft.Orleans.Core.Tests.Runs;

/// <summary>A method section that does not fit its method, or itself, is refused by line and key, with what to write instead.</summary>
public sealed class MethodRefusals
{
    public static TheoryData<string, string, string> Table =>
        new()
        {
            // appended text (lines 8 on), place, part of the message
            { "method:\n  nam: lora", "run.yaml:9: method.nam: unknown key", "did you mean method.name?" },
            { "method:\n  rank: 8", "run.yaml:9: method.rank: unknown key", "did you mean method.lora.rank?" },
            { "method:\n  lora:\n    lora_alpha: 8", "run.yaml:10: method.lora.lora_alpha: unknown key", "write method.lora.alpha" },
            {
                "method:\n  modules_to_save: [lm_head]",
                "run.yaml:9: method.modules_to_save: unknown key",
                "PEFT's modules_to_save is not implemented"
            },
            { "method:\n  rank_pattern: {}", "run.yaml:9: method.rank_pattern", "not implemented" },
            { "method:\n  name: hybird", "run.yaml:9: method.name: expected one of full, lora", "did you mean hybrid?" },
            { "method: hybrid", "run.yaml:8: method: expected a section with keys of name", "found the text 'hybrid'" },
            { "method:", "run.yaml:8: method: expected a section", "found nothing" },
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
    public void Refusal_names_place_key_and_remedy(string appended, string place, string remedy) =>
        RunFileRefusals.Check(appended, place, remedy);

    [Theory]
    [InlineData("{\"name\": \"lora\", \"lamda\": {}}", "a.json:1: method.lamda: unknown key; did you mean method.lambda?")]
    [InlineData("{\n  \"name\": \"lora\",\n  \"boft\": {}}", "a.json:3: method.boft has no meaning with method.name lora")]
    [InlineData("{\"lambda\": {\"min\": 0.7, \"max\": 0.6}}", "a.json:1: method.lambda.min: min 0.7 must be below")]
    public void A_method_section_of_an_adapter(string json, string message) =>
        Assert.Contains(message, Assert.Throws<PeftException>(() => RunFile.ParseMethod(json, "a.json")).Message, StringComparison.Ordinal);

    [Fact]
    public void Full_fine_tuning_cannot_hold_its_weights_in_four_bits()
    {
        var error = Assert.Throws<PeftException>(() => RunFile.Parse(ValidRun.Text, "f.yaml", ["method.name=full", "model.dtype=nf4"]));
        Assert.Contains("--set model.dtype=nf4: model.dtype: nf4 holds frozen weights", error.Message, StringComparison.Ordinal);
    }
}
