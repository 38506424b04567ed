using System.Reflection;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Tests;
using Xunit;

namespace Peft.Orleans.Client.Tests;

/// <summary>The pages name what there is.</summary>
public sealed class DocumentationTests
{
    [Fact]
    public void Every_command_is_on_the_page()
    {
        var page = Repository.Page("cli.md");
        foreach (
            var command in ClientApplication
                .Build(new Terminal(TextWriter.Null, TextWriter.Null, animated: false, colored: false))
                .Subcommands
        )
            Assert.Contains(
                $"| `{command.Name} ",
                page.Replace("`doctor`", "`doctor `", StringComparison.Ordinal),
                StringComparison.Ordinal
            );
    }

    [Fact]
    public void Every_exit_code_is_on_the_page()
    {
        foreach (var code in typeof(ExitCodes).GetFields(BindingFlags.Public | BindingFlags.Static))
            Assert.Contains($"\n| {code.GetRawConstantValue()} |", Repository.Page("cli.md"), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_key_is_on_the_page_with_its_default()
    {
        var lines = Repository.Page("run-file.md").Split('\n');
        var rows = lines.Where(static line => line.StartsWith("| `", StringComparison.Ordinal)).ToArray();
        foreach (var path in RunSchema.Published.Paths)
        {
            var row = Assert.Single(rows, line => line.StartsWith($"| `{path}` |", StringComparison.Ordinal));
            if (RunSchema.Published.DefaultText(path) is { } value && double.TryParse(value, out var number))
                Assert.Equal(number, double.Parse(row.Split(" | ")[2], System.Globalization.CultureInfo.InvariantCulture));
            else if (RunSchema.Published.DefaultText(path) is { } word)
                Assert.Equal(word, row.Split(" | ")[2]);
        }
    }
}
