using System.Collections.Concurrent;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Kernels.Tests.Support;

/// <summary>Family × method × precision × feature: every cell runs, and the page says what came of it.</summary>
public class SupportMatrixTests
{
    private static readonly ConcurrentDictionary<SupportCase, IReadOnlyDictionary<Feature, string?>> Outcomes = new();

    [Theory, MemberData(nameof(SupportCase.All), MemberType = typeof(SupportCase))]
    public void A_cell_does_what_the_page_says(string family, string method, string precision)
    {
        var outcome = Of(new SupportCase(family, method, Enum.Parse<WeightType>(precision)));
        Assert.Equal(Enum.GetValues<Feature>().Length, outcome.Count);
    }

    [Fact]
    public void The_page_is_what_the_cells_gave()
    {
        var path = Path.Combine(SharedFolder.RepositoryRoot, "docs", "support-matrix.md");
        var page = SupportTable.Write(static (cell, feature) => Of(cell)[feature]);
        if (Environment.GetEnvironmentVariable("PEFT_WRITE_DOCS") == "1") File.WriteAllText(path, page);
        Assert.Equal(File.ReadAllText(path), page);
    }

    private static IReadOnlyDictionary<Feature, string?> Of(SupportCase cell) => Outcomes.GetOrAdd(cell, static cell =>
    {
        using var run = new SupportRun(cell);
        return Enum.GetValues<Feature>().ToDictionary(static feature => feature, run.Try);
    });
}
