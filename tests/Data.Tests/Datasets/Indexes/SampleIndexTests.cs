using CsCheck;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Datasets;
using Peft.Orleans.Data.Datasets.Indexes;

namespace Peft.Orleans.Data.Tests.Datasets.Indexes;

/// <summary>Where samples lie: noted once, beside the run, and never trusted where it may be wrong.</summary>
public sealed class SampleIndexTests
{
    private const int Lines = 300;

    [Fact]
    public void TheFilesAreReadOnceAndTheNextReaderFindsTheIndex()
    {
        using var folder = new TemporaryFolder();
        var spec = Spec(Write(folder));
        var (first, read) = Load(folder, spec);
        Assert.Equal(new FileInfo(folder.File("train.jsonl")).Length, read);
        var index = File.ReadAllBytes(Index(folder));
        var (second, again) = Load(folder, spec);
        Assert.Equal(0, again);
        Assert.Equal(Hashes(first), Hashes(second));
        Assert.Equal((first.TrainSha256, first.Samples, first.Steps), (second.TrainSha256, second.Samples, second.Steps));
        Assert.Equal(index, File.ReadAllBytes(Index(folder)));
        Assert.Equal([Index(folder)], Directory.EnumerateFiles(Path.GetDirectoryName(Index(folder))!));
    }

    [Fact]
    public void AnIndexMadeWithoutAFolderServesInOneLater()
    {
        using var folder = new TemporaryFolder();
        var spec = Spec(Write(folder));
        using (var data = TrainingData.Load(spec, folder.File("run"), null, 1000))
        {
            Assert.False(Directory.Exists(folder.File("run")));
            data.SaveIndex(folder.File("run"));
        }

        Assert.Equal(0, Load(folder, spec).Read);
    }

    [Fact]
    public void ADamagedIndexIsMadeAgain()
    {
        using var folder = new TemporaryFolder();
        var spec = Spec(Write(folder));
        var expected = Hashes(Load(folder, spec).Data);
        var whole = File.ReadAllBytes(Index(folder));
        Gen.Select(Gen.Int[0, whole.Length - 1], Gen.Int[1, 255], Gen.Bool).Sample(
            (at, flip, torn) =>
            {
                var damaged = torn ? whole[..at] : [.. whole];
                if (!torn) damaged[at] ^= (byte)flip;
                File.WriteAllBytes(Index(folder), damaged);
                var (data, read) = Load(folder, spec);
                Assert.NotEqual(0, read);
                Assert.Equal(expected, Hashes(data));
                Assert.Equal(whole, File.ReadAllBytes(Index(folder)));
            },
            iter: 40,
            threads: 1);
    }

    [Fact]
    public void AnIndexOfOtherSettingsOrOtherFilesIsMadeAgain()
    {
        using var folder = new TemporaryFolder();
        var path = Write(folder);
        Load(folder, Spec(path));
        var other = Spec(path);
        other = other with { Data = other.Data with { MaxLength = 77 } };
        Assert.NotEqual(0, Load(folder, other).Read);
        Assert.NotEqual(0, Load(folder, Spec(path)).Read);
        // One line less, one byte different, another time.
        File.WriteAllLines(path, File.ReadAllLines(path)[1..]);
        var (data, read) = Load(folder, Spec(path));
        Assert.Equal((Lines - 1, new FileInfo(path).Length), (data.Samples, read));
        File.SetLastWriteTimeUtc(path, new DateTime(2001, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        Assert.NotEqual(0, Load(folder, Spec(path)).Read);
        // Another file beside it, of a source that is a folder.
        folder.Write("set/a.jsonl", SourcesTests.Line(1));
        Load(folder, Spec(folder.File("set")));
        folder.Write("set/b.jsonl", SourcesTests.Line(2));
        Assert.Equal(2, Load(folder, Spec(folder.File("set"))).Data.Samples);
    }

    [Fact]
    public void AFileThatIsWrittenToWhileTheRunReadsItIsRefusedByLine()
    {
        using var folder = new TemporaryFolder();
        var path = Write(folder);
        var (data, _) = Load(folder, Spec(path));
        var text = File.ReadAllText(path);
        using (var file = File.OpenWrite(path))
        {
            file.Position = text.IndexOf(SourcesTests.Line(17), StringComparison.Ordinal);
            file.Write(System.Text.Encoding.UTF8.GetBytes(SourcesTests.Line(18)));
        }

        Assert.Equal(16, data.Sample(15).InputIds[0]);
        Assert.StartsWith(
            $"{path}, line 17: the file was written to",
            Assert.Throws<PeftException>(() => data.Sample(16)).Message,
            StringComparison.Ordinal);
        // A file that takes its name leaves the run what it has open.
        File.Delete(path);
        folder.WriteLines("train.jsonl", SourcesTests.Line(5));
        Assert.Equal(21, data.Sample(20).InputIds[0]);
    }

    [Fact]
    public void WhatCannotBeWrittenIsNamed()
    {
        using var folder = new TemporaryFolder();
        var spec = Spec(Write(folder));
        folder.Write("run/data", "a file where the folder should be");
        Assert.StartsWith(
            folder.File("run/data") + ": cannot be written",
            Assert.Throws<PeftException>(() => Load(folder, spec)).Message,
            StringComparison.Ordinal);
    }

    internal static (TrainingData Data, long Read) Load(TemporaryFolder folder, RunSpec spec)
    {
        var seen = new Seen();
        var data = TrainingData.Load(spec, folder.File("run"), null, 1000, saves: true, seen);
        return (data, seen.Last);
    }

    internal static string[] Hashes(TrainingData data) =>
        [.. Enumerable.Range(1, 40).Select(step => data.Get(step, 0).ContentHash), .. data.Validation.Select(static b => b.ContentHash)];

    internal static RunSpec Spec(string path) => new()
    {
        Data = new DataSpec { Train = new DataSource { Path = path, Format = DataFormat.Tokens }, Shuffle = false },
        Training = new TrainingSpec { Epochs = 1, GlobalBatch = 3, Microbatch = 3 },
    };

    private static string Index(TemporaryFolder folder) => new RunFolder(folder.File("run")).SampleIndex;

    private static string Write(TemporaryFolder folder) =>
        folder.WriteLines("train.jsonl", Enumerable.Range(1, Lines).Select(SourcesTests.Line));

    private sealed class Seen : IProgress<DataProgress>
    {
        public long Last { get; private set; }

        public void Report(DataProgress value) => Last = value.Read;
    }
}
