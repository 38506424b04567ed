using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using CsCheck;
using Peft.Orleans.Core;
using Peft.Orleans.Data.Datasets.Files;
using ZstdSharp;

namespace Peft.Orleans.Data.Tests.Datasets.Files;

/// <summary>Records of JSON lines and arrays, packed or not: whatever the bytes are.</summary>
public sealed class RecordFileTests
{
    private static readonly Gen<string[]> Records = Gen.OneOf(
        Gen.String[0, 60].Select(static text => JsonSerializer.Serialize(new { text })),
        Gen.Int.Array[0, 20].Select(static ids => JsonSerializer.Serialize(new { ids, deep = new[] { new { a = "]}\\\",{[" } } })))
        .Array[1, 40];

    public enum Form
    {
        Lines,
        WindowsLines,
        Array,
        PrettyArray,
    }

    public enum Packing
    {
        None,
        Gzip,
        Zstandard,
    }

    public static MatrixTheoryData<Form, Packing> Ways => new(Enum.GetValues<Form>(), Enum.GetValues<Packing>());

    public static MatrixTheoryData<Form, Packing, bool> WaysAndMarks =>
        new(Enum.GetValues<Form>(), Enum.GetValues<Packing>(), [false, true]);

    [Theory]
    [MemberData(nameof(WaysAndMarks))]
    public void WhatWasWrittenIsRead(Form form, Packing packing, bool mark)
    {
        using var folder = new TemporaryFolder();
        Records.Sample(
            records =>
            {
                var text = Encoding.UTF8.GetBytes((mark ? "\uFEFF" : "") + Written(records, form));
                var path = folder.File("data.json" + Ending(packing));
                File.WriteAllBytes(path, Packed(text, packing));
                var (read, sha256, file) = Read(path);
                Assert.Equal(records.Select(Compact), read.Select(static record => Compact(record.Text)));
                Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path))), sha256);
                Assert.Equal(form is Form.Lines or Form.WindowsLines ? "line" : "element", file.Place);
                Assert.Equal(packing == Packing.None, file.IsPlain);
                // Where a record is said to be, there it is.
                Assert.All(read, record => Assert.StartsWith(record.Text, Encoding.UTF8.GetString(text[(int)record.Offset..])));
            },
            iter: 40,
            threads: 1);
    }

    /// <summary>A file that is cut off, at any byte: its first records, or a refusal, and nothing else.</summary>
    [Theory]
    [MemberData(nameof(Ways))]
    public void AFileThatIsCutOffIsReadUpToThereOrRefused(Form form, Packing packing)
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("data.json" + Ending(packing));
        Gen.Select(Records, Gen.Double.Unit).Sample(
            (records, part) =>
            {
                var whole = Packed(Encoding.UTF8.GetBytes(Written(records, form)), packing);
                var rest = whole[..(int)(part * whole.Length)];
                File.WriteAllBytes(path, rest);
                var read = new List<string>();
                var file = new RecordFile(path);
                try
                {
                    file.Read((_, _, text) => read.Add(Encoding.UTF8.GetString(text)));
                    // Lines alone do not tell that some are missing; the last may be half. Nothing but a blank is a file without records.
                    var unmarked = form is Form.Lines or Form.WindowsLines && packing == Packing.None;
                    // Of an array the end of its last line may be missing.
                    var ended = packing == Packing.None && whole[rest.Length..].All(static one => one == (byte)'\n');
                    Assert.True(unmarked || ended || rest.All(static one => one == (byte)' '));
                    read = read[..Math.Max(0, read.Count - 1)];
                }
                catch (PeftException error)
                {
                    Assert.StartsWith(path, error.Message, StringComparison.Ordinal);
                    if (form is Form.Lines or Form.WindowsLines) read = read[..Math.Max(0, read.Count - 1)];
                }

                Assert.Equal(records.Take(read.Count).Select(Compact), read.Select(Compact));
            },
            iter: 60,
            threads: 1);
    }

    [Fact]
    public void DamagedBytesEndInRecordsOrARefusal()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("data.json");
        Gen.Select(Records, Gen.Enum<Form>(), Gen.Enum<Packing>(), Gen.Select(Gen.Int[0, 1 << 20], Gen.Byte).Array[1, 5]).Sample(
            (records, form, packing, damages) =>
            {
                var bytes = Packed(Encoding.UTF8.GetBytes(Written(records, form)), packing);
                foreach (var (at, value) in damages) bytes[at % bytes.Length] = value;
                File.WriteAllBytes(path, bytes);
                try
                {
                    Read(path);
                }
                catch (PeftException error)
                {
                    Assert.StartsWith(path, error.Message, StringComparison.Ordinal);
                }
            },
            iter: 300,
            threads: 1);
    }

    [Theory]
    [InlineData("[{},]", "element 1: a comma follows it, and no other element")]
    [InlineData("[{},,{}]", "element 2: is missing, two commas follow each other")]
    [InlineData("[{} {}]", "element 1: no comma and no closing bracket follows it")]
    [InlineData("[{}", "element 1: the file ends before its array is closed")]
    [InlineData("[{},", "element 2: the file ends before its array is closed")]
    [InlineData("[{\"a\":\"\\", "element 1: the file ends before its array is closed")]
    [InlineData("[{}] x", "something follows the closing bracket of its array")]
    public void AnArrayThatIsNoneIsNamed(string text, string message)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("data.json", text);
        Assert.Contains(message, Assert.Throws<PeftException>(() => Read(path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("data.jsonl.gz", "gzip")]
    [InlineData("data.json.zst", "Zstandard")]
    [InlineData("data.parquet", "Parquet")]
    public void ANameThatSaysOtherwiseIsRefused(string name, string kind)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write(name, "{}\n");
        var error = Assert.Throws<PeftException>(() => Read(path));
        Assert.Contains($"its name says {kind}, its content is text", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ARecordOfAHundredMegabytesIsRead()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("data.jsonl");
        var text = new byte[100 << 20];
        Array.Fill(text, (byte)'a');
        using (var file = File.Create(path))
        {
            file.Write("{\"text\":\"b\"}\r\n \t\r\n{\"text\":\""u8);
            file.Write(text);
            file.Write("\"}\n{\"text\":\"c\"}"u8);
        }

        var read = new List<(int Number, int Length)>();
        new RecordFile(path).Read((number, _, record) => read.Add((number, record.Length)));
        Assert.Equal([(1, 13), (3, text.Length + 11), (4, 12)], read);
    }

    private static (List<(long Offset, string Text)> Records, string Sha256, RecordFile File) Read(string path)
    {
        var read = new List<(long, string)>();
        var file = new RecordFile(path);
        var sha256 = file.Read((_, offset, text) => read.Add((offset, Encoding.UTF8.GetString(text))));
        return (read, sha256, file);
    }

    private static string Ending(Packing packing) =>
        packing switch { Packing.Gzip => ".gz", Packing.Zstandard => ".zst", _ => "" };

    private static string Compact(string json) => json.Trim();

    private static string Written(string[] records, Form form) => form switch
    {
        Form.Lines => string.Join('\n', records),
        Form.WindowsLines => string.Join("\r\n\r\n", records) + "\r\n",
        Form.Array => $"[{string.Join(',', records)}]",
        _ => $" [\n  {string.Join(",\n  ", records)}\n]\n",
    };

    private static byte[] Packed(byte[] text, Packing packing)
    {
        var packed = new MemoryStream();
        using (Stream? stream = packing switch
        {
            Packing.Gzip => new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true),
            Packing.Zstandard => new CompressionStream(packed, leaveOpen: true),
            _ => null,
        })
            (stream ?? packed).Write(text);
        return packed.ToArray();
    }
}
