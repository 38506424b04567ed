using Peft.Orleans.Core;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Datasets;

namespace Peft.Orleans.Data.Tests.Datasets;

/// <summary>Several files and sources, their columns, and all that is wrong with them at once.</summary>
public sealed class SourcesTests
{
    [Fact]
    public void FilesAndSourcesFollowEachOther()
    {
        using var folder = new TemporaryFolder();
        folder.Write("set/b.json", "[" + Line(3) + "," + Line(4) + "]");
        folder.Write("set/a.jsonl", Line(1) + "\n" + Line(2) + "\n");
        folder.Write("c.jsonl", Line(5));
        var data = Load(
            new DataSource { Path = folder.File("set"), Format = DataFormat.Tokens },
            new DataSource { Path = folder.File("c.jsonl"), Format = DataFormat.Tokens });
        Assert.Equal([1, 2, 3, 4, 5], Firsts(data, 5));
    }

    [Fact]
    public void ColumnsNameTheFields()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("t.jsonl", """{"ids":[7,8],"targets":[7,8],"labels":"of something else","id":3}""");
        var columns = new Dictionary<string, string> { ["input_ids"] = "ids", ["labels"] = "targets" };
        Assert.Equal([7], Firsts(Load(new DataSource { Path = path, Format = DataFormat.Tokens, Columns = columns }), 1));
        columns["labels"] = "target";
        var error = Assert.Throws<PeftException>(() => Load(new DataSource { Path = path, Format = DataFormat.Tokens, Columns = columns }));
        Assert.Contains(
            $"{path}, line 1: there is no field \"target\", which data.columns names for \"labels\"; the line has ids, targets, labels, id",
            error.Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void WrongSamplesAreToldTheFirstTenAndHowMany()
    {
        using var folder = new TemporaryFolder();
        folder.WriteLines("a.jsonl", Enumerable.Range(1, 5000).Select(static i => i % 2 == 0 ? "{" : Line(1)));
        folder.Write("b.json", "[" + Line(1) + ",{}]");
        var error = Assert.Throws<PeftException>(() =>
            Load(new DataSource { Path = folder.File("*.json*"), Format = DataFormat.Tokens })).Message.Split('\n');
        Assert.Equal(11, error.Length);
        for (var i = 0; i < 10; i++) Assert.StartsWith($"{folder.File("a.jsonl")}, line {2 * (i + 1)}: invalid", error[i]);
        Assert.Equal("… and 2,491 more; 2,501 samples are wrong in all", error[10]);
    }

    internal static string Line(int id) => $$"""{"input_ids":[{{id}},0],"labels":[{{id}},0]}""";

    internal static int[] Firsts(TrainingData data, int count) => [.. Enumerable.Range(0, count).Select(i => data.Sample(i).InputIds[0])];

    internal static TrainingData Load(params DataSource[] sources) =>
        TrainingData.Load(
            new RunSpec
            {
                Data = new DataSpec { Train = new DataSources(sources), Shuffle = false },
                Training = new TrainingSpec { Epochs = 1, GlobalBatch = 1, Microbatch = 1 },
            },
            null,
            null,
            100);
}
