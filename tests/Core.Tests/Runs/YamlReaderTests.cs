using CsCheck;
using Peft.Orleans.Core.Runs;
using Xunit;

namespace Peft.Orleans.Core.Tests.Runs;

/// <summary>Text that is no YAML is refused by file and line, whatever the library that reads it does at it.</summary>
public sealed class YamlReaderTests
{
    private static readonly string[] Pieces =
    [
        "a",
        "b: ",
        "c:\n  ",
        "- ",
        "? ",
        ": ",
        "{ ",
        "} ",
        "[ ",
        "] ",
        ", ",
        "\n",
        "\n  ",
        "\n    ",
        "\t",
        " ",
        "*a ",
        "&a ",
        "*",
        "&",
        "!",
        "!x ",
        "!!binary ",
        "!<",
        "!a!b ",
        "<<: *a\n",
        "#",
        " # x\n",
        "'",
        "\"",
        "\\",
        "\"\\U00110000\"",
        "\"\\uD800\"",
        "\"\\x4\"",
        "|",
        ">",
        "|9\n",
        ">-\n ",
        "---\n",
        "--- ",
        "...\n",
        "%YAML 1.2\n",
        "%YAML 99999999999.1\n",
        "%TAG ! x\n",
        "%TAG !e! tag:x,2000:\n",
        "%x\n",
        "@",
        "`",
        "\0",
        "\ufeff",
        "\u0085",
        "\u2028",
        "\ud800",
        "1e999",
        "~",
        "=",
    ];

    // What stands here makes the library throw what is no YamlException, or hang, or end the process.
    [Theory]
    [InlineData("grid: { a: [1] }*a\n", "f.yaml:1: *a repeats what &a names, and no &a stands before it")]
    [InlineData("a: 1\nb:\n  : !\n", "f.yaml:3: not valid YAML: a '{' or '[' is not closed, or")]
    [InlineData("a: 1\nb: !<> x\n", "f.yaml:2: not valid YAML: a '{' or '[' is not closed, or")]
    [InlineData("a: 1\n? [ \n\\\t", "f.yaml:1: not valid YAML: a '{' or '[' is not closed, or")]
    [InlineData("a: { b: 1\nc: 2\n", "f.yaml:1: not valid YAML: a '{' or '[' is not closed, or")]
    [InlineData("a: &a [*b]\nb: &b [*a]\n", "f.yaml:1: *b repeats what &b names, and no &b stands before it")]
    [InlineData("a: 1\nb: &b { c: [*b] }\n", "f.yaml:2: *b stands inside what &b names: the text contains itself")]
    [InlineData("a: *b\nb: &b 1\n", "f.yaml:1: *b repeats what &b names, and no &b stands before it")]
    [InlineData("a: 1\nb: !!binary aGk=\n", "f.yaml:2: the tag tag:yaml.org,2002:binary has no meaning here")]
    [InlineData("a: 1\nb: !!int \"5\"\n", "f.yaml:2: the tag tag:yaml.org,2002:int has no meaning here")]
    [InlineData("a: 1\nb: \"x\\0\"\n", "f.yaml:2: a text holds the character \\0")]
    [InlineData("%YAML 99999999999.1\n---\na: 1\n", "f.yaml:1: not valid YAML: ")]
    [InlineData("a: \"\\U00110000\"\n", "f.yaml:1: not valid YAML: ")]
    public void What_the_library_fails_at_is_refused_by_line(string text, string refusal) =>
        Assert.StartsWith(refusal, Assert.Throws<PeftException>(() => YamlReader.Read(text, "f.yaml")).Message, StringComparison.Ordinal);

    [Fact]
    public void Aliases_repeat_what_stands_before_them_but_not_without_bound()
    {
        var read = YamlReader.Read("a: &a { b: 1 }\nc: *a\n", "f.yaml")[0].RootNode.ToString();
        Assert.Equal("{ { a, { { b, 1 } } }, { c, { { b, 1 } } } }", read);
        var text = "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n";
        for (var level = 1; level < 20; level++)
            text += $"l{level}: &l{level} [{string.Join(", ", Enumerable.Repeat($"*l{level - 1}", 10))}]\n";
        Assert.StartsWith(
            "f.yaml:5: more than 100,000 values, aliases written out",
            Assert.Throws<PeftException>(() => YamlReader.Read(text, "f.yaml")).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Whatever_the_text_it_is_read_or_refused() =>
        Gen.Int[0, Pieces.Length - 1]
            .Array[0, 14]
            .Select(static numbers => string.Concat(numbers.Select(static number => Pieces[number])))
            .Sample(
                static text =>
                {
                    try
                    {
                        // What walks the nodes must come to an end, too.
                        foreach (var document in YamlReader.Read(text, "f.yaml")) _ = document.RootNode.ToString();
                    }
                    catch (PeftException error)
                    {
                        Assert.Matches(@"^f\.yaml:[1-9]\d*: ", error.Message);
                    }
                },
                iter: Environment.GetEnvironmentVariable("PEFT_LONG") == "1" ? 1_000_000 : 20_000,
                threads: 1
            );
}
