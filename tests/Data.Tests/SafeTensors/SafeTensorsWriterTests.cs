using System.Text;
using CsCheck;
using Peft.Orleans.Core;
using Peft.Orleans.Data.SafeTensors;

namespace Peft.Orleans.Data.Tests.SafeTensors;

public sealed class SafeTensorsWriterTests
{
    [Fact]
    public void WritesTheReferenceLibrarysBytes()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("t.safetensors");
        SafeTensorsWriter.Write(
            path,
            [Tensor("b", SafeTensorsType.F32, [1], [5, 6, 7, 8]), Tensor("a", SafeTensorsType.U8, [2, 2], [1, 2, 3, 4])]
        );
        var json =
            """{"__metadata__":{"format":"pt"},"a":{"dtype":"U8","shape":[2,2],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""";
        var padded = json.PadRight((json.Length + 7) / 8 * 8);
        byte[] expected = [.. BitConverter.GetBytes((long)padded.Length), .. Encoding.UTF8.GetBytes(padded), 1, 2, 3, 4, 5, 6, 7, 8];
        Assert.Equal(expected, File.ReadAllBytes(path));
        Assert.Single(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void WhatIsWrittenIsReadAndMergingPartsEqualsWritingTheWhole()
    {
        var tensors = Gen.Select(Gen.String[Gen.Char.AlphaNumeric, 1, 8], Gen.Byte.Array[0, 40]).Array[1, 12]
            .Select(static array => array.DistinctBy(static pair => pair.Item1).ToArray());
        using var folder = new TemporaryFolder();
        tensors.Sample(
            array =>
            {
                var all = array.Select(pair => Tensor(pair.Item1, SafeTensorsType.U8, [pair.Item2.Length], pair.Item2)).ToArray();
                SafeTensorsWriter.Write(folder.File("all"), all);
                SafeTensorsWriter.Write(folder.File("p0"), [.. all.Where(static (_, i) => i % 2 == 0)]);
                SafeTensorsWriter.Write(folder.File("p1"), [.. all.Where(static (_, i) => i % 2 == 1)]);
                SafeTensorsWriter.Merge(folder.File("merged"), [folder.File("p1"), folder.File("p0")]);
                Assert.Equal(File.ReadAllBytes(folder.File("all")), File.ReadAllBytes(folder.File("merged")));
                var header = SafeTensorsHeader.Read(folder.File("all"));
                Assert.Equal("pt", header.Metadata["format"]);
                foreach (var (name, bytes) in array) Assert.Equal(bytes, header.ReadBytes(name));
            },
            iter: 50,
            threads: 1);
    }

    [Fact]
    public void TwoTensorsOfOneNameAreRefused()
    {
        using var folder = new TemporaryFolder();
        var error = Assert.Throws<PeftException>(() => SafeTensorsWriter.Write(
            folder.File("t"), [Tensor("a", SafeTensorsType.U8, [0], []), Tensor("a", SafeTensorsType.U8, [0], [])]));
        Assert.Contains("'a'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AFailedWriteLeavesTheOldFileAndNothingElse()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("t", "old");
        var full = new SafeTensorsTensor("a", SafeTensorsType.U8, [1], static _ => throw new IOException("No space left on device"));
        var error = Assert.Throws<PeftException>(() => SafeTensorsWriter.Write(path, [full]));
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
        Assert.Contains("No space left on device", error.Message, StringComparison.Ordinal);
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Single(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void AnUnwritableFolderIsNamed()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Write("file", ""), "t.safetensors");
        var error = Assert.Throws<PeftException>(() => SafeTensorsWriter.Write(path, []));
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
    }

    internal static SafeTensorsTensor Tensor(string name, SafeTensorsType type, long[] shape, byte[] bytes) =>
        new(name, type, shape, stream => stream.Write(bytes));
}
