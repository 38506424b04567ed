using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Xunit;

namespace Peft.Orleans.Core.Tests.Runs;

/// <summary>One source of data or several, in the run file.</summary>
public sealed class DataSourceTests
{
    private const string Several = """
        name: demo
        model: { path: model }
        data:
          train:
            - { path: a.jsonl, format: messages, weight: 3 }
            - path: "b/*.parquet"
              format: text
              weight: 0.5
              columns: { text: content }
          validation: { path: v.jsonl, format: text }
        training: { steps: 20 }
        """;

    [Fact]
    public void A_list_of_sources_is_read_and_written()
    {
        var spec = RunFile.Parse(Several);
        Assert.Equal([3, 0.5], spec.Data.Train.Select(static source => source.Weight!.Value));
        Assert.Equal("content", spec.Data.Train[1].Columns!["text"]);
        var written = RunFile.Write(spec);
        Assert.Contains(
            "  train:\n    - path: a.jsonl\n      format: messages\n      weight: 3\n    - path: \"b/*.parquet\"\n      format: text\n",
            written,
            StringComparison.Ordinal
        );
        Assert.Contains("      columns: { text: content }\n", written, StringComparison.Ordinal);
        // A key has a meaning if it has one for any source.
        Assert.Contains("chat_template: model", written, StringComparison.Ordinal);
        Assert.Equal(written, RunFile.Write(RunFile.Parse(written)));
        Assert.Equal(Path.GetFullPath("b/*.parquet", "/x"), RunFile.Resolve(spec, "/x").Data.Train[1].Path);
    }

    [Fact]
    public void One_source_is_written_as_it_always_was()
    {
        var written = RunFile.Write(RunFile.Parse(
            "name: a\nmodel: { path: m }\ndata: { train: { path: t, format: gsm8k }, columns: { question: q, answer: 'a: b' } }\n"
                + "training: { steps: 1 }\n"));
        Assert.Contains("data:\n  train:\n    path: t\n    format: gsm8k\n", written, StringComparison.Ordinal);
        Assert.Contains("\n  columns: { answer: \"a: b\", question: q }\n", written, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("train=[]", "data.train: expected")]
    [InlineData("train=[{path: a, format: text, weight: 1}, {path: b, format: text}]", "some sources have a weight and others none")]
    [InlineData("train=[{path: a, format: text, weight: 0}, {path: b, format: text, weight: 1}]", "weight: expected a number above 0")]
    [InlineData("train=[{path: a, format: text}, {path: b}]", "data.train.format: missing")]
    [InlineData("train=[{path: a, format: text}, {path: b, format: text, wieght: 1}]", "did you mean data.train.weight?")]
    [InlineData("train=[{path: a, format: text}, {path: b, format: textt}]", "did you mean text?")]
    [InlineData("train=[{path: a, format: text}, 5]", "data.train: expected")]
    [InlineData("train={path: a, format: text, weight: 2}", "weighs several sources against each other, and there is one")]
    [InlineData("columns={question: q}", "question is no field of format messages, text; write messages,")]
    [InlineData("columns={text: 5.5}", "data.columns.text: expected")]
    [InlineData("columns={text: [a]}", "data.columns.text: expected")]
    [InlineData("validation={path: v}", "data.validation.format: missing, and the sources of data.train have several")]
    public void What_is_wrong_is_named_with_the_remedy(string change, string refusal)
    {
        var error = Assert.Throws<PeftException>(() => RunFile.Parse(Several, "run.yaml", [$"data.{change}"]));
        Assert.Contains(refusal, error.Message, StringComparison.Ordinal);
    }
}
