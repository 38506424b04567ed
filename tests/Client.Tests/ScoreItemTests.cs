using System.Diagnostics;
using System.IO.Pipes;
using Peft.Orleans.Client.Commands;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Data.Tokenizers;
using Peft.Orleans.Tests;
using Xunit;

namespace Peft.Orleans.Client.Tests;

/// <summary>Where the targets of a line begin, and which lines are refused.</summary>
public sealed class ScoreItemTests
{
    private const int M = Microbatch.Masked;

    [Fact]
    public void Targets_are_the_continuations_tokens()
    {
        var item = ScoreItems.Encode("ab", " c", new Characters(Begin: false, End: false));
        Assert.Equal(['a', 'b', ' ', 'c'], item.InputIds.Select(static id => (char)id));
        Assert.Equal([M, M, ' ', 'c'], item.Labels);
    }

    [Fact]
    public async Task What_a_shell_hands_over_is_read_once_and_a_pipe_of_a_name_is_refused()
    {
        using var pipe = new AnonymousPipeServerStream(PipeDirection.Out);
        using var end = new FileStream($"/dev/fd/{pipe.ClientSafePipeHandle.DangerousGetHandle()}", FileMode.Open, FileAccess.Read);
        pipe.Write("{\"input_ids\": [1, 2], \"labels\": [-100, 2]}\n{}\n"u8);
        pipe.Dispose();
        var handed = $"/dev/fd/{end.SafeFileHandle.DangerousGetHandle()}";
        using (var input = PipedInput.Open(handed))
        {
            Assert.Equal(2, input.Read(File.ReadLines).Count());
            var refused = Assert.Throws<PeftException>(() => input.Read(static path => ScoreItems.Read(path, NoTokenizer, 128)));
            Assert.StartsWith($"{handed}, line 2: expected", refused.Message, StringComparison.Ordinal);
            Assert.True(File.Exists(input.Path));
            handed = input.Path;
        }

        Assert.False(File.Exists(handed));
        using var workspace = new Workspace();
        using (var made = Process.Start("mkfifo", [workspace.Path("fifo")])) made.WaitForExit();
        var named = await Assert.ThrowsAsync<PeftException>(() => Task.Run(() =>
        {
            using var input = PipedInput.Open(workspace.Path("fifo"));
            return input.Read(static path => ScoreItems.Read(path, NoTokenizer, 128));
        }).WaitAsync(Patience.Limit));
        Assert.Contains($"{workspace.Path("fifo")}: not a regular file but a pipe", named.Message, StringComparison.Ordinal);

        static ITextTokenizer NoTokenizer() => throw new InvalidOperationException("ids need no tokenizer");
    }

    [Fact]
    public void Trailing_spaces_of_the_context_belong_to_the_continuation() =>
        Assert.Equal([M, M, ' ', ' ', 'c'], ScoreItems.Encode("ab  ", "c", new Characters(Begin: false, End: false)).Labels);

    [Fact]
    public void Begin_of_text_is_kept_and_end_of_text_is_not_a_target()
    {
        var item = ScoreItems.Encode("a", "b", new Characters(Begin: true, End: true));
        Assert.Equal([1, 'a', 'b'], item.InputIds);
        Assert.Equal([M, M, 'b'], item.Labels);
    }

    [Theory]
    [InlineData(true, new[] { M, (int)'b', 'c' })]
    [InlineData(false, new[] { M, (int)'c' })]
    public void Without_context_the_first_token_that_has_a_predecessor_is_the_first_target(bool begin, int[] labels) =>
        Assert.Equal(labels, ScoreItems.Encode("", "bc", new Characters(begin, End: false)).Labels);

    [Theory]
    [InlineData("{\"input_ids\": [1, 2], \"labels\": [1]}", "line 2: \"input_ids\" has 2 entries, \"labels\" has 1")]
    [InlineData(
        "{\"input_ids\": [1, 200], \"labels\": [1, 2]}",
        "line 2: token id 200 at position 1 is not below the model's vocab_size 128"
    )]
    [InlineData(
        "{\"input_ids\": [1, 5], \"labels\": [-100, 5000]}",
        "line 2: label 5000 at position 1 is not below the model's vocab_size 128"
    )]
    [InlineData("{\"input_ids\": [1, 5], \"labels\": [-100, -5]}", "line 2: \"labels\"[1] is -5")]
    [InlineData("{\"input_ids\": [1, -5], \"labels\": [-100, 5]}", "line 2: \"input_ids\"[1] is -5")]
    [InlineData("{\"input_ids\": [1, null], \"labels\": [-100, 5]}", "line 2: \"input_ids\"[1] is null")]
    [InlineData("{\"input_ids\": null, \"labels\": [5]}", "line 2: the field \"input_ids\" is not a list")]
    [InlineData("{\"input_ids\": [1, 5]}", "line 2: the field \"labels\" is missing")]
    [InlineData("{\"input_ids\": [], \"labels\": []}", "line 2: \"input_ids\" is empty")]
    [InlineData("{\"input_ids\": [1, 5], \"labels\": [1, 5], \"attention_mask\": [0, 1]}", "line 2: \"attention_mask\"[0] is 0")]
    [InlineData("{\"context\": \"a\"}", "line 2: the field \"continuation\" is missing")]
    [InlineData("{\"context\": null, \"continuation\": \"x\"}", "line 2: the field \"context\" is null")]
    [InlineData("{\"context\": \"a\", \"continuation\": 5}", "line 2: the field \"continuation\" is not a text")]
    [InlineData("{\"context\": \"\", \"continuation\": \"\"}", "line 2: context and continuation have no token")]
    [InlineData(
        "{\"context\": \"a\", \"continuation\": \"\u00e9\"}",
        "line 2: token id 233 at position 1 is not below the model's vocab_size 128"
    )]
    [InlineData("{\"text\": \"a\"}", "line 2: expected")]
    [InlineData("{\"context\": ", "line 2: invalid JSON")]
    [InlineData("[1]", "line 2: not a JSON object")]
    [InlineData("null", "line 2: not a JSON object")]
    [InlineData("\n{\"context\": \"a\", \"continuation\": \"b\"}", "line 2: the line is empty")]
    public void Refused_lines(string line, string message)
    {
        using var workspace = new Workspace();
        var file = workspace.Write("items.jsonl", "{\"context\": \"a\", \"continuation\": \"b\"}\n" + line + "\n");
        var error = Assert.Throws<PeftException>(() => ScoreItems.Read(file, static () => new Characters(false, false), 128));
        Assert.Contains($"{file}, {message}", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Both_kinds_of_lines_in_order()
    {
        using var workspace = new Workspace();
        var file = workspace.Write(
            "items.jsonl",
            "{\"input_ids\": [5, 6], \"labels\": [-100, 6]}\n{\"context\": \"a\", \"continuation\": \"b\"}\n\n\n"
        );
        var items = ScoreItems.Read(file, static () => new Characters(false, false), 128);
        Assert.Equal([5, 6], items[0].InputIds);
        Assert.Equal([M, 'b'], items[1].Labels);
    }

    /// <summary>One token per character; 1 begins and 2 ends a text where told.</summary>
    private sealed record Characters(bool Begin, bool End) : ITextTokenizer
    {
        public int VocabularySize => 128;

        public int? BosId => 1;

        public int? EosId => 2;

        public int[] Encode(string text, bool addSpecialTokens) =>
            [
                .. addSpecialTokens && Begin ? (int[])[1] : [],
                .. text.Select(static c => (int)c),
                .. addSpecialTokens && End ? (int[])[2] : [],
            ];

        public int[] EncodeWithSpecials(string text) => Encode(text, false);

        public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens) => string.Concat(ids.ToArray().Select(static id => (char)id));

        public int? SpecialId(string token) => null;
    }
}
