using System.Text;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Kernels.Tests.Support;

/// <summary>docs/support-matrix.md, written from cells that ran.</summary>
internal static class SupportTable
{
    private static readonly string[] Titles =
    [
        "training", "packing", "scoring", "generation", "export as adapter", "export as LoRA", "export merged",
    ];

    /// <summary>The page.</summary>
    /// <param name="outcome">What trying a cell gave: the table's word, or null where the method has no such thing.</param>
    internal static string Write(Func<SupportCase, Feature, string?> outcome)
    {
        var page = new StringBuilder("""
            # What works with what

            Every cell is a test that ran: a small model of the family with random weights, trained with the method on the CPU, its weights
            stored and held in float32, bfloat16 and float16. The page is written by those tests, and compared with them whenever they run:

                PEFT_WRITE_DOCS=1 dotnet test tests/Kernels.Tests --filter SupportMatrix

            **✓** holds in all three types. **same file**: the adapter is plain LoRA already. **exact**: written as plain LoRA of twice the
            rank that computes the same. **approximate**: `--rank R` writes the nearest LoRA of that rank, and says what it leaves out.
            **—** the method has no adapter. What each column means for a user is in [cli.md](cli.md); values against transformers and PEFT
            are tested beside these, with the limits that [methods.md](methods.md) gives.


            """);
        foreach (var family in SupportCase.Families)
        {
            page.Append($"## {family}\n\n| method | {string.Join(" | ", Titles)} |\n");
            page.Append($"|---|{string.Concat(Titles.Select(_ => "---|"))}\n");
            foreach (var (method, title) in SupportCase.Methods)
            {
                var cells = Enum.GetValues<Feature>()
                    .Select(feature => Cell(precision => outcome(new(family, method, precision), feature)));
                page.Append($"| {title} | {string.Join(" | ", cells)} |\n");
            }

            page.Append('\n');
        }

        return page.ToString().TrimEnd('\n') + "\n";
    }

    private static string Cell(Func<WeightType, string?> outcome)
    {
        var words = SupportCase.Precisions.Select(precision => (precision, Word: outcome(precision))).ToArray();
        var held = words.Where(static item => item.Word is not null).ToArray();
        if (held.Length == 0) return "—";
        var word = string.Join(", ", held.Select(static item => item.Word == "yes" ? "✓" : item.Word).Distinct());
        var types = string.Join(", ", held.Select(static item => item.precision.ToString().ToLowerInvariant()));
        return held.Length == words.Length ? word : $"{word} ({types})";
    }
}
