using System.Text.Json;
using CsCheck;
using ParquetSharp;
using Peft.Orleans.Core;
using Peft.Orleans.Data.Datasets.Files;
using Encoding = System.Text.Encoding;

namespace Peft.Orleans.Data.Tests.Datasets.Files;

/// <summary>Rows of Parquet files, as other programs write them.</summary>
public sealed class ParquetRowsTests
{
    [Fact]
    public void RowsAreObjectsWithTheColumnsNames()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("data.parquet");
        Write(path, ["héllo \"x\"\n", null!, ""], [[1, 2], [], [-3]], [1.5, double.NaN, -2], 2);
        string[] expected =
        [
            """{"text":"héllo \"x\"\n","input_ids":[1,2],"score":1.5}""",
            """{"text":null,"input_ids":[],"score":"NaN"}""",
            """{"text":"","input_ids":[-3],"score":-2}""",
        ];
        var read = Read(path);
        Assert.All(
            expected.Zip(read),
            static pair => Assert.True(JsonElement.DeepEquals(JsonElement.Parse(pair.First), JsonElement.Parse(pair.Second)), pair.Second));
        Assert.Equal(3, read.Count);
    }

    [Fact]
    public void ManyRowGroupsFollowEachOther()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("data.parquet");
        Gen.Select(Gen.String[0, 20].Array[1, 900], Gen.Int[1, 400]).Sample(
            (texts, group) =>
            {
                texts = [.. texts.Select(static text => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)))];
                Write(path, texts, [.. texts.Select(static (_, i) => new[] { i })], [.. texts.Select(static _ => 0.0)], group);
                Assert.Equal(texts, Read(path).Select(static row => JsonElement.Parse(row).GetProperty("text").GetString()));
            },
            iter: 10,
            threads: 1);
    }

    [Fact]
    public void DamagedBytesEndInRowsOrARefusal()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("data.parquet");
        Write(path, ["a", "b", "c"], [[1], [2], [3]], [1, 2, 3], 2);
        var whole = File.ReadAllBytes(path);
        Gen.Select(Gen.Int[0, whole.Length - 1], Gen.Byte, Gen.Int[0, whole.Length]).Sample(
            (at, value, length) =>
            {
                var bytes = whole.ToArray();
                bytes[at] = value;
                File.WriteAllBytes(path, length % 3 == 0 ? bytes[..length] : bytes);
                try
                {
                    Read(path);
                }
                catch (PeftException error)
                {
                    Assert.StartsWith(path, error.Message, StringComparison.Ordinal);
                    Assert.DoesNotContain("Exception", error.Message, StringComparison.Ordinal);
                }
            },
            iter: 300,
            threads: 1);
    }

    private static void Write(string path, string[] texts, int[][] ids, double[] scores, int group)
    {
        using var writer = new ParquetFileWriter(
            path, [new Column<string>("text"), new Column<int[]>("input_ids"), new Column<double>("score")]);
        for (var first = 0; first < texts.Length; first += group)
        {
            var rows = first..Math.Min(first + group, texts.Length);
            using var rowGroup = writer.AppendRowGroup();
            using (var column = rowGroup.NextColumn().LogicalWriter<string>()) column.WriteBatch(texts[rows]);
            using (var column = rowGroup.NextColumn().LogicalWriter<int[]>()) column.WriteBatch(ids[rows]);
            using (var column = rowGroup.NextColumn().LogicalWriter<double>()) column.WriteBatch(scores[rows]);
        }

        writer.Close();
    }

    private static List<string> Read(string path)
    {
        var rows = new List<string>();
        new RecordFile(path).Read((number, _, text) =>
        {
            rows.Add(Encoding.UTF8.GetString(text));
            Assert.Equal(rows.Count, number);
        });
        return rows;
    }
}
