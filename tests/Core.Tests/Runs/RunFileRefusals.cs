using Peft.Orleans.Core.Runs;
using Xunit;

namespace Peft.Orleans.Core.Tests.Runs;

/// <summary>Every refusal names file and line, key, and what to write instead.</summary>
public sealed class RunFileRefusals
{
    public static TheoryData<string, string, string> Table =>
        new()
        {
            // appended text (lines 8 on), place, part of the message
            { "traning:\n  steps: 3", "run.yaml:8: traning: unknown key", "did you mean training?" },
            { "qqqqqqqqqqqqqqqqqqqq: 1", "run.yaml:8: qqqqqqqqqqqqqqqqqqqq: unknown key", "write one of name, seed, model" },
            { "seed: many", "run.yaml:8: seed: expected an integer", "found the text 'many'" },
            { "seed: \"5\"", "run.yaml:8: seed: expected an integer", "found the text '5'" },
            { "seed: 1.5", "run.yaml:8: seed: expected an integer", "found 1.5" },
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
        };

    [Theory]
    [MemberData(nameof(Table))]
    public void Refusal_names_place_key_and_remedy(string appended, string place, string remedy) => Check(appended, place, remedy);

    internal static void Check(string appended, string place, string remedy)
    {
        var error = Assert.Throws<PeftException>(() => RunFile.Parse(ValidRun.Text + "\n" + appended, "run.yaml"));
        Assert.Contains(place, error.Message, StringComparison.Ordinal);
        Assert.Contains(remedy, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void All_refusals_of_a_file_are_told_at_once()
    {
        var error = Assert.Throws<PeftException>(() =>
            RunFile.Parse(ValidRun.Text + "\nseeed: 3\nmethod: { name: lora, lambda: { min: 0.2 } }\noutputs: x", "f.yaml")
        );
        Assert.Equal(3, error.Message.Split('\n').Length);
    }
}
