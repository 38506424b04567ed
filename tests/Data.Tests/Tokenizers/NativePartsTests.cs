using System.Text.Json.Nodes;
using Peft.Orleans.Core;
using Peft.Orleans.Data.Problems;
using Peft.Orleans.Data.Tokenizers;

namespace Peft.Orleans.Data.Tests.Tokenizers;

/// <summary>
/// Parts at which the native library would end the process are refused by name, and their like that it bears are used. A refusal that is
/// missing here ends the test run itself.
/// </summary>
public sealed class NativePartsTests
{
    [Theory]
    [InlineData("normalizer", """{"type":"Replace","pattern":{"String":""},"content":"x"}""", "its pattern fits where no")]
    [InlineData("normalizer", """{"type":"Replace","pattern":{"Regex":"a*"},"content":"x"}""", "its pattern fits where no")]
    [InlineData("normalizer", """{"type":"Replace","pattern":{"Regex":"(?=a)"},"content":"x"}""", "its pattern fits where no")]
    [InlineData("normalizer", """{"type":"Replace","pattern":{"Regex":"\\b"},"content":"x"}""", "its pattern fits where no")]
    [InlineData("normalizer", """{"type":"Replace","pattern":{"Regex":"(a+)+$"},"content":"x"}""", "its regex repeats what fits")]
    [InlineData("normalizer", """{"type":"Prepend","prepend":""}""", "normalizer Prepend: prepend is empty")]
    [InlineData("normalizer", """{"type":"Precompiled","precompiled_charsmap":""}""", "precompiled_charsmap is not one")]
    [InlineData("normalizer", """{"type":"Precompiled","precompiled_charsmap":"BAAAAAAAAAA="}""", "precompiled_charsmap is not one")]
    [InlineData(
        "normalizer",
        """{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Prepend","prepend":""}]}""",
        "normalizer Prepend: prepend is empty"
    )]
    [InlineData("pre_tokenizer", """{"type":"Split","pattern":{"Regex":"((a*)*)*b"},"behavior":"Removed","invert":false}""", "its regex repeats")]
    [InlineData(
        "pre_tokenizer", """{"type":"Split","pattern":{"Regex":"(a|aa)+$"},"behavior":"Removed","invert":false}""", "((a|aa)+$)")]
    [InlineData("normalizer", """{"type":"Replace","pattern":{"Regex":"a*a*b"},"content":"x"}""", "a* and a* side by side")]
    [InlineData("pre_tokenizer", """{"type":"FixedLength","length":0}""", "pre_tokenizer FixedLength: length must be at least 1")]
    [InlineData("decoder", """{"type":"Strip","content":"a","start":1,"stop":1}""", "decoder Strip: stop must be 0")]
    public void What_the_library_cannot_bear_is_refused(string name, string part, string message)
    {
        using var folder = new TemporaryFolder();
        var error = Assert.Throws<PeftException>(() => Use(folder, name, part)).Message;
        Assert.StartsWith(folder.File("tokenizer.json"), error, StringComparison.Ordinal);
        Assert.Contains(message, error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("normalizer", """{"type":"Replace","pattern":{"String":" "},"content":"a"}""")]
    [InlineData("normalizer", """{"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "}""")]
    [InlineData("normalizer", """{"type":"Replace","pattern":{"Regex":"^a"},"content":""}""")]
    [InlineData(
        "pre_tokenizer",
        """
        {"type":"Split","behavior":"Isolated","invert":false,"pattern":{"Regex":
        "(?i:'s|'t)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}}
        """
    )]
    [InlineData(
        "pre_tokenizer",
        """{"type":"Split","pattern":{"Regex":" ?[^(\\s|[.,!?…。，、।۔،])]+"},"behavior":"Isolated","invert":false}"""
    )]
    [InlineData(
        "pre_tokenizer",
        """{"type":"Split","pattern":{"Regex":"[!\"#$%&'()*+,\\-./:;<=>?@\\[\\]^_`{|}~][A-Za-z]+|x"},"behavior":"Isolated","invert":false}"""
    )]
    [InlineData("decoder", """{"type":"Strip","content":" ","start":1,"stop":0}""")]
    public void What_it_bears_is_used(string name, string part)
    {
        using var folder = new TemporaryFolder();
        Use(folder, name, part);
    }

    /// <summary>Each ends the process at some text without the refusal: ten million ways back are soon tried.</summary>
    [Theory]
    [InlineData("(?:a|a)+$")]
    [InlineData("(a+)+$")]
    [InlineData("(?:a*)*b")]
    [InlineData("(?<name>a|ab|b)*c")]
    [InlineData(@"(?:\w|\d){2,}!")]
    [InlineData("(?:a?){40}b")]
    [InlineData("x(?=(?:a|aa)+$)")]
    [InlineData("b|(?i:(a|aa)+$)")]
    [InlineData(@"\s*\s+x")]
    [InlineData("[a-z]*[aeiou]+(?!b)")]
    [InlineData("(?:[a-z]*)(?:[a-m]*)!")]
    public void A_regex_that_goes_back_without_bound_is_refused(string regex) => Assert.NotNull(RegexBacktracking.Fault(regex));

    /// <summary>Those of today's tokenizers, and their like; what is not understood is the library's to judge.</summary>
    [Theory]
    [InlineData(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")]
    [InlineData(@"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")]
    [InlineData(@"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\s+")]
    [InlineData(@"\d{1,3}(?=(?:\d{3})*\b)")]
    [InlineData(@"(?:ab|cd)+$")]
    [InlineData("(?>a|aa)+$")]
    [InlineData("(?:a|aa)++$")]
    [InlineData("(?:ab?){1,3}c")]
    [InlineData(@"\s*[^\s]+x")]
    [InlineData("[^(\\s|[.,!?…])]+")]
    [InlineData("[]a]+|[^]a]+")]
    [InlineData(@"(a)\1+")]
    [InlineData("a{,3}b{2,}{")]
    [InlineData("(")]
    [InlineData("[a")]
    public void Others_are_not(string regex) => Assert.Null(RegexBacktracking.Fault(regex));

    private static void Use(TemporaryFolder folder, string name, string part)
    {
        ArithmeticProblems.WriteTokenizer(folder.Path);
        var json = JsonNode.Parse(File.ReadAllText(folder.File("tokenizer.json")))!;
        json[name] = JsonNode.Parse(part);
        folder.Write("tokenizer.json", json.ToJsonString());
        var tokenizer = TokenizerLoader.Load(folder.Path);
        tokenizer.Decode(tokenizer.Encode("Ann has 3 apples" + new string('a', 200), addSpecialTokens: true), skipSpecialTokens: true);
        tokenizer.EncodeWithSpecials("<s></s>");
    }
}
