using Peft.Orleans.Tests;

namespace Peft.Orleans.Architecture.Tests;

/// <summary>The form of code and docs: lines that fit beside each other on a screen.</summary>
public sealed class LinesTests
{
    private const int Longest = 140;

    /// <summary>Data that a test writes into a file, or expects to read, reads best whole.</summary>
    private static readonly string[] Texts = ["\"", "$\"", "$$\"", "+ \"", "[InlineData(", "const string ", "{", "- {", "method:"];

    [Fact]
    public void Lines_have_at_most_140_characters()
    {
        var root = SharedFolder.RepositoryRoot;
        var files = new[] { "src", "tests", "docs", "examples" }
            .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(root, folder), "*", SearchOption.AllDirectories))
            .Concat(Directory.EnumerateFiles(root, "*.md"))
            .Where(static file => file.EndsWith(".cs", StringComparison.Ordinal) || file.EndsWith(".md", StringComparison.Ordinal))
            .Where(static file => !file.Contains("/node_modules/", StringComparison.Ordinal));
        Broken.None(files.SelectMany(file => File.ReadLines(file)
            .Select((line, i) => (Line: line, Place: $"{Path.GetRelativePath(root, file)}:{i + 1}"))
            .Where(entry => entry.Line.Length > Longest && !MayBeLonger(entry.Place, entry.Line.TrimStart()))
            .Select(static entry => $"{entry.Place}: {entry.Line.Length} characters")));
    }

    /// <summary>A table's rows, and texts of the tests.</summary>
    private static bool MayBeLonger(string place, string line) =>
        line.StartsWith('|') || (place.StartsWith("tests", StringComparison.Ordinal) && Texts.Any(line.StartsWith));
}
