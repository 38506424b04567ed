using Peft.Orleans.Core;
using Peft.Orleans.Data.Datasets.Files;

namespace Peft.Orleans.Data.Tests.Datasets.Files;

/// <summary>What a data path stands for.</summary>
public sealed class DataFilesTests
{
    [Theory]
    [InlineData("", "a.jsonl b.jsonl.gz c.JSON d.parquet e.json.zst")]
    [InlineData("*.jsonl", "a.jsonl")]
    [InlineData("?.json*", "a.jsonl b.jsonl.gz e.json.zst")]
    [InlineData("*/*.jsonl", "deep/x.jsonl deep/y.jsonl")]
    [InlineData("d*/y.jsonl", "deep/y.jsonl")]
    [InlineData("**/*.jsonl", "a.jsonl deep/deeper/z.jsonl deep/x.jsonl deep/y.jsonl")]
    [InlineData("deep/**", "deep/deeper/z.jsonl deep/x.jsonl deep/y.jsonl")]
    [InlineData("notes.txt", "notes.txt")]
    [InlineData("star*.jsonl", "star*.jsonl")]
    [InlineData("no-*.jsonl", "")]
    [InlineData("nowhere", "")]
    public void AFolderOrAGlobStandsForItsFilesInNameOrder(string path, string expected)
    {
        using var folder = new TemporaryFolder();
        string[] files =
        [
            "a.jsonl", "b.jsonl.gz", "c.JSON", "d.parquet", "e.json.zst", "notes.txt", ".hidden.jsonl",
            "deep/x.jsonl", "deep/y.jsonl", "deep/deeper/z.jsonl", ".git/g.jsonl",
        ];
        foreach (var file in expected == "star*.jsonl" ? [.. files, "star*.jsonl", "star1.jsonl"] : files)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(folder.File(file))!);
            File.WriteAllText(folder.File(file), "");
        }

        var found = DataFiles.Find(path.Length == 0 ? folder.Path : folder.File(path));
        Assert.Equal(expected, string.Join(' ', found.Select(file => Path.GetRelativePath(folder.Path, file))));
    }

    [Theory]
    [InlineData("", "a folder without data files (.jsonl, .json, .parquet, .jsonl.gz, .json.gz, .jsonl.zst, .json.zst)")]
    [InlineData("x.jsonl", "data file not found")]
    [InlineData("x*.jsonl", "no file matches")]
    public void WhatIsNotThereIsNamed(string path, string message)
    {
        using var folder = new TemporaryFolder();
        var error = Assert.Throws<PeftException>(() => DataFiles.Require(path.Length == 0 ? folder.Path : folder.File(path)));
        Assert.Equal($"{(path.Length == 0 ? folder.Path : folder.File(path))}: {message}", error.Message.Split("; name")[0]);
    }
}
