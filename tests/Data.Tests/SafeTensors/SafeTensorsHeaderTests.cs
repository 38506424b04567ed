using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using CsCheck;
using Peft.Orleans.Core;
using Peft.Orleans.Data.SafeTensors;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Data.Tests.SafeTensors;

public sealed class SafeTensorsHeaderTests
{
    [Fact]
    public void GivesTheReferenceVerdictOnEveryFile()
    {
        var folder = SharedFolder.Require("goldens/safetensors-files");
        using var verdicts = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "verdicts.json")));
        var files = 0;
        foreach (var verdict in verdicts.RootElement.EnumerateObject())
        {
            files++;
            var path = Path.Combine(folder, verdict.Name);
            if (!verdict.Value.GetProperty("opens").GetBoolean())
            {
                var error = Assert.Throws<PeftException>(() => SafeTensorsHeader.Read(path));
                Assert.StartsWith(path + ": not a valid safetensors file: ", error.Message, StringComparison.Ordinal);
                continue;
            }

            var header = SafeTensorsHeader.Read(path);
            var tensors = verdict.Value.GetProperty("tensors").EnumerateObject().ToArray();
            Assert.Equal(tensors.Select(static t => t.Name).Order(), header.Entries.Keys.Order());
            foreach (var tensor in tensors)
                Assert.Equal(
                    tensor.Value.GetProperty("shape").EnumerateArray().Select(static n => n.GetInt64()),
                    header.Entries[tensor.Name].Shape
                );
        }

        Assert.True(files >= 29);
    }

    [Theory]
    [InlineData("""{"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}}""", "F33")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", "-1")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", "needs 8 bytes")]
    [InlineData("""{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}""", "belong to no tensor")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", "truncated")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}""", "before its start")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4611686018427387904,8],"data_offsets":[0,4]}}""", "overflows")]
    [InlineData("""{"a":{"dtype":"F4","shape":[1],"data_offsets":[0,4]}}""", "whole bytes")]
    [InlineData("""{"__metadata__":{"k":1},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", "__metadata__.k")]
    [InlineData("[]", "not a JSON object")]
    [InlineData("{}x", "invalid JSON")]
    public void NamesFileAndReason(string header, string reason)
    {
        using var folder = new TemporaryFolder();
        var path = WriteFile(folder.File("t.safetensors"), header, [1, 2, 3, 4]);
        var error = Assert.Throws<PeftException>(() => SafeTensorsHeader.Read(path));
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ReadsWhatTheFormatAllows()
    {
        using var folder = new TemporaryFolder();
        var path = WriteFile(
            folder.File("t.safetensors"),
            """{"b":{"dtype":"U8","shape":[1,1],"data_offsets":[3,4]},"e":{"dtype":"F32","shape":[0,7],"data_offsets":[3,3]},"a":{"dtype":"I8","shape":[3],"data_offsets":[0,3]},"__metadata__":null}   """,
            [1, 2, 3, 4]);
        var header = SafeTensorsHeader.Read(path);
        Assert.Equal([1, 2, 3], header.ReadBytes("a"));
        Assert.Equal([4], header.ReadBytes("b"));
        Assert.Equal(0, header.Entries["e"].Bytes);
        Assert.Empty(header.Metadata);
    }

    [Fact]
    public void NoDamageToAHeaderEscapesAsAnotherError()
    {
        using var folder = new TemporaryFolder();
        var good =
            """{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[],"data_offsets":[8,10]}}""";
        var path = WriteFile(folder.File("t.safetensors"), good, new byte[10]);
        var bytes = File.ReadAllBytes(path);
        Gen.Select(Gen.Int[0, bytes.Length - 1], Gen.Byte, Gen.Int[0, bytes.Length]).Sample(
            (at, value, length) =>
            {
                var damaged = bytes.ToArray();
                damaged[at] = value;
                var file = folder.File($"{at}-{value}-{length}");
                File.WriteAllBytes(file, damaged[..length]);
                try
                {
                    var header = SafeTensorsHeader.Read(file);
                    // Whatever is accepted lies inside the file.
                    return header.Entries.Values.All(entry => entry.Offset >= 8 && entry.Offset + entry.Bytes <= length);
                }
                catch (PeftException error)
                {
                    return error.Message.StartsWith(file, StringComparison.Ordinal);
                }
                finally
                {
                    File.Delete(file);
                }
            },
            iter: 500,
            threads: 1);
    }

    internal static string WriteFile(string path, string header, byte[] data)
    {
        var json = Encoding.UTF8.GetBytes(header);
        var length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, json.Length);
        File.WriteAllBytes(path, [.. length, .. json, .. data]);
        return path;
    }
}
