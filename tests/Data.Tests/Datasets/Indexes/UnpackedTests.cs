using System.IO.Compression;
using ParquetSharp;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using ZstdSharp;

namespace Peft.Orleans.Data.Tests.Datasets.Indexes;

/// <summary>Files whose records do not lie in them as they are: unpacked once, beside the run, to the same samples.</summary>
public sealed class UnpackedTests
{
    private const int Lines = 150;

    [Theory]
    [InlineData("train.jsonl.gz", true)]
    [InlineData("train.jsonl.zst", true)]
    [InlineData("train.parquet", true)]
    [InlineData("train.json", false)]
    [InlineData("train.json.gz", true)]
    public void TheSameSamplesWhateverTheFile(string name, bool unpacks)
    {
        using var folder = new TemporaryFolder();
        var plain = folder.WriteLines("plain.jsonl", Enumerable.Range(1, Lines).Select(SourcesTests.Line));
        var expected = SampleIndexTests.Hashes(SampleIndexTests.Load(folder, SampleIndexTests.Spec(plain)).Data);
        Write(folder.File(name));
        var spec = SampleIndexTests.Spec(folder.File(name));
        Assert.Equal(expected, SampleIndexTests.Hashes(SampleIndexTests.Load(folder, spec).Data));
        var unpacked = Unpacked(folder);
        Assert.Equal(unpacks ? 1 : 0, unpacked.Length);
        if (!unpacks) return;
        // The next one finds it; half of it is none; and without a folder there is one that nobody sees.
        var written = File.GetLastWriteTimeUtc(unpacked[0]);
        Assert.Equal(expected, SampleIndexTests.Hashes(SampleIndexTests.Load(folder, spec).Data));
        Assert.Equal(written, File.GetLastWriteTimeUtc(unpacked[0]));
        var whole = File.ReadAllBytes(unpacked[0]);
        File.WriteAllBytes(unpacked[0], whole[..(whole.Length / 2)]);
        Assert.Equal(expected, SampleIndexTests.Hashes(SampleIndexTests.Load(folder, spec).Data));
        Assert.Equal(whole, File.ReadAllBytes(unpacked[0]));
        Assert.Equal(expected, SampleIndexTests.Hashes(Data.Datasets.TrainingData.Load(spec, null, null, 1000)));
        Assert.Equal(unpacked, Unpacked(folder));
    }

    [Fact]
    public void ADamagedTextIsNamedWithTheRemedy()
    {
        using var folder = new TemporaryFolder();
        Write(folder.File("train.jsonl.gz"));
        var spec = SampleIndexTests.Spec(folder.File("train.jsonl.gz"));
        SampleIndexTests.Load(folder, spec).Data.Get(1, 0);
        var unpacked = Assert.Single(Unpacked(folder));
        File.WriteAllText(unpacked, new string(' ', (int)new FileInfo(unpacked).Length));
        var error = Assert.Throws<PeftException>(() => SampleIndexTests.Load(folder, spec).Data.Get(1, 0)).Message;
        Assert.StartsWith($"{folder.File("train.jsonl.gz")}, line 1: {unpacked} is damaged; remove it", error, StringComparison.Ordinal);
        File.Delete(unpacked);
        Assert.Equal(3, SampleIndexTests.Load(folder, spec).Data.Get(1, 0).Rows);
    }

    private static string[] Unpacked(TemporaryFolder folder) =>
        [.. Directory.EnumerateFiles(new RunFolder(folder.File("run")).Data).Where(static file => !file.EndsWith(".index"))];

    private static void Write(string path)
    {
        if (path.EndsWith(".parquet", StringComparison.Ordinal))
        {
            WriteParquet(path);
            return;
        }

        var lines = Enumerable.Range(1, Lines).Select(SourcesTests.Line);
        using var file = File.Create(path);
        using Stream packed = Path.GetExtension(path) switch
        {
            ".gz" => new GZipStream(file, CompressionLevel.Fastest),
            ".zst" => new CompressionStream(file),
            _ => file,
        };
        using var text = new StreamWriter(packed);
        if (path.Contains(".jsonl", StringComparison.Ordinal)) text.Write(string.Join("\n\n", lines));
        else text.Write($" [ {string.Join(" ,\n", lines)} ]");
    }

    private static void WriteParquet(string path)
    {
        int[][] ids = [.. Enumerable.Range(1, Lines).Select(static i => new[] { i, 0 })];
        using var writer = new ParquetFileWriter(path, [new Column<int[]>("input_ids"), new Column<int[]>("labels")]);
        using var rows = writer.AppendRowGroup();
        using (var column = rows.NextColumn().LogicalWriter<int[]>()) column.WriteBatch(ids);
        using (var column = rows.NextColumn().LogicalWriter<int[]>()) column.WriteBatch(ids);
        writer.Close();
    }
}
