using Peft.Orleans.Core.Runs;
using Xunit;

namespace Peft.Orleans.Core.Tests.Runs;

/// <summary>What stands in the required sections and is missing, wrong, or at odds with a neighbour.</summary>
public sealed class DataAndTrainingRefusals
{
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
            {
                "  steps: 20",
                "  steps: 20\n  global_batch: 10\n  microbatch: 2147483647",
                "run.yaml:9: training.microbatch: 2147483647 does not divide global_batch 10; write 10"
            },
            {
                "  steps: 20",
                "  steps: 20\n  global_batch: 2147483647\n  microbatch: 2147483646",
                "run.yaml:9: training.microbatch: 2147483646 does not divide global_batch 2147483647; write 1"
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
            {
                "format: messages }",
                "format: messages }\n  chat_template: chatlm",
                "run.yaml:6: data.chat_template: expected model, chatml, llama3, vicuna or the path of a .jinja file, found chatlm; did you mean chatml?"
            },
            {
                "format: messages }",
                "format: messages }\n  multi_turn: each",
                "run.yaml:6: data.multi_turn: expected one of whole, split, found the text 'each'"
            },
            { "format: messages }", "format: messages }\n  end_of_turn: []", "run.yaml:6: data.end_of_turn: the list is empty" },
            {
                "format: messages }",
                "format: messages }\n  chat_time: 2026-03-05",
                "run.yaml:6: data.chat_time: expected a time like 2026-03-05T14:07:09, found 2026-03-05"
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
        Assert.Contains(line, ValidRun.Text, StringComparison.Ordinal);
        var text = ValidRun.Text.Replace(line, instead, StringComparison.Ordinal);
        var error = Assert.Throws<PeftException>(() => RunFile.Parse(text, "run.yaml"));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }
}
