using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using ParquetSharp;
using Peft.Orleans.Tests;
using ZstdSharp;
using Encoding = System.Text.Encoding;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>What a client has and the cluster's silos do not see is sent to them.</summary>
[Collection(RemoteCluster.Shared)]
public sealed class RemoteUploadTests(RemoteCluster cluster)
{
    [Fact]
    public async Task A_data_set_that_only_the_client_has_is_uploaded_and_named_by_its_hash()
    {
        using var workspace = new Workspace();
        var data = string.Join('\n', File.ReadLines(Path.Combine(EmbeddedModel.Examples, "problems", "train.jsonl")).Take(100)) + "\n";
        workspace.Write("mine.jsonl", data);
        var file = EmbeddedModel.RunFile(workspace, "lora", steps: 2, data: "/proc/self/cwd/mine.jsonl");
        var first = (await cluster.StartRun(workspace, file, "uploaded")).Succeeded();
        Assert.Contains("uploading", first.Errors, StringComparison.Ordinal);
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(data)));
        var uploaded = Path.Combine(cluster.Folder, "uploads", hash + ".jsonl");
        Assert.Equal(data, await File.ReadAllTextAsync(uploaded));
        var recorded = await File.ReadAllTextAsync(Path.Combine(workspace.Folder, "runs", "uploaded", "run.yaml"));
        Assert.Contains(uploaded, recorded, StringComparison.Ordinal);

        // The second run finds it there.
        var second = (await cluster.StartRun(workspace, file, "second")).Succeeded();
        Assert.DoesNotContain("uploading", second.Errors, StringComparison.Ordinal);
        Assert.Equal(first.AdapterSha256, second.AdapterSha256);

        // One path, two contents: which is meant?
        await File.WriteAllTextAsync(Path.Combine(cluster.SiloFolder, "mine.jsonl"), data + data);
        var refused = await cluster.StartRun(workspace, file, "third");
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains(
            "data.train.path: /proc/self/cwd/mine.jsonl exists here and on the cluster",
            refused.Errors,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Packed_files_Parquet_arrays_and_folders_are_uploaded_as_they_are_and_give_the_same_bytes()
    {
        using var workspace = new Workspace();
        var lines = File.ReadLines(Path.Combine(EmbeddedModel.Examples, "problems", "train.jsonl")).Take(60).ToArray();
        workspace.Write("plain.jsonl", string.Join('\n', lines));
        workspace.Write("array.json", $"[{string.Join(",\n", lines)}]");
        workspace.Write("folder/a.jsonl", string.Join('\n', lines[..20]));
        workspace.Write("folder/b.jsonl", string.Join('\n', lines[20..]));
        using (var gzip = new GZipStream(File.Create(Path.Combine(workspace.Folder, "packed.jsonl.gz")), CompressionLevel.Fastest))
            gzip.Write(Encoding.UTF8.GetBytes(string.Join('\n', lines)));
        await using (var packed = File.Create(Path.Combine(workspace.Folder, "packed.jsonl.zst")))
        using (var zstandard = new CompressionStream(packed))
            zstandard.Write(Encoding.UTF8.GetBytes(string.Join('\n', lines)));
        WriteParquet(Path.Combine(workspace.Folder, "rows.parquet"), lines);

        string? expected = null;
        string[] forms = ["plain.jsonl", "array.json", "packed.jsonl.gz", "packed.jsonl.zst", "rows.parquet", "folder"];
        foreach (var (i, name) in forms.Index())
        {
            var file = EmbeddedModel.RunFile(workspace, "lora", steps: 2, data: "/proc/self/cwd/" + name);
            var run = (await cluster.StartRun(workspace, file, $"form-{i}")).Succeeded();
            Assert.Contains("uploading", run.Errors, StringComparison.Ordinal);
            expected ??= run.AdapterSha256;
            Assert.Equal(expected, run.AdapterSha256);
        }

        // What does not lie in a file as it is read was unpacked once, beside the run.
        Assert.Equal(
            [0, 0, 1, 1, 1, 0],
            Enumerable.Range(0, 6).Select(i =>
                Directory.EnumerateFiles(Path.Combine(workspace.Folder, "runs", $"form-{i}", "data"), "unpacked-*").Count()));
    }

    [Fact]
    public async Task An_adapter_that_only_the_client_has_is_uploaded_and_exports_are_the_silos_work()
    {
        using var workspace = new Workspace();
        var file = EmbeddedModel.RunFile(workspace, "lora", steps: 2);
        (await cluster.StartRun(workspace, file, "before")).Succeeded();
        var trained = Path.Combine(workspace.Folder, "runs", "before", "adapter");
        var seen = (await cluster.StartRun(workspace, file, "seen", "--set", $"method.initial_adapter={trained}")).Succeeded();
        Assert.DoesNotContain("uploading", seen.Errors, StringComparison.Ordinal);

        Directory.Move(trained, Path.Combine(workspace.Folder, "mine"));
        string[] mine = ["--set", "method.initial_adapter=/proc/self/cwd/mine"];
        var sent = (await cluster.StartRun(workspace, file, "sent", mine)).Succeeded();
        Assert.Contains("uploading", sent.Errors, StringComparison.Ordinal);
        Assert.Equal(seen.AdapterSha256, sent.AdapterSha256);
        var again = (await cluster.StartRun(workspace, file, "again", mine)).Succeeded();
        Assert.DoesNotContain("uploading", again.Errors, StringComparison.Ordinal);

        // The silos' folder of the same name holds something else.
        Directory.CreateDirectory(Path.Combine(cluster.SiloFolder, "mine"));
        var refused = await cluster.StartRun(workspace, file, "refused", mine);
        Directory.Delete(Path.Combine(cluster.SiloFolder, "mine"));
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains(
            "method.initial_adapter: /proc/self/cwd/mine exists here and on the cluster",
            refused.Errors,
            StringComparison.Ordinal);

        // A run of the cluster, by somebody whose index does not know it.
        using var other = new Workspace();
        var merged = Path.Combine(other.Folder, "merged");
        (await cluster.Run(other, "export", "sent", "--as", "merged", "--to", merged)).Succeeded();
        Assert.True(File.Exists(Path.Combine(merged, "config.json")));
        var twice = await cluster.Run(other, "export", "sent", "--as", "adapter", "--to", merged);
        Assert.Equal(2, twice.ExitCode);
        Assert.Contains("is not empty", twice.Errors, StringComparison.Ordinal);
        var lora = Path.Combine(other.Folder, "lora");
        var said = (await cluster.Run(other, "export", "sent", "--as", "lora", "--rank", "2", "--to", lora)).Succeeded();
        Assert.Contains("--max-lora-rank 8", said.Output, StringComparison.Ordinal);
    }

    private static void WriteParquet(string path, string[] lines)
    {
        string[] columns = ["prompt", "completion"];
        using var writer = new ParquetFileWriter(path, [.. columns.Select(static name => new Column<string>(name))]);
        using var rows = writer.AppendRowGroup();
        foreach (var name in columns)
        {
            using var column = rows.NextColumn().LogicalWriter<string>();
            column.WriteBatch([.. lines.Select(line => JsonElement.Parse(line).GetProperty(name).GetString()!)]);
        }

        writer.Close();
    }
}
