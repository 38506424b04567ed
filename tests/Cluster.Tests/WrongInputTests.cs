using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>Bad input is refused with what was wrong, where, and what to do; nothing hangs, nothing is half done.</summary>
public class WrongInputTests
{
    [Fact]
    public async Task A_missing_shard_file()
    {
        using var workspace = new Workspace();
        var model = EmbeddedModel.Copy(workspace);
        var victim = Directory.EnumerateFiles(model, "*.safetensors").Order().Last();
        File.Delete(victim);
        await Refused(workspace, EmbeddedModel.RunFile(workspace, model: model), Path.GetFileName(victim));
    }

    [Fact]
    public async Task A_truncated_safetensors_file()
    {
        using var workspace = new Workspace();
        var model = EmbeddedModel.Copy(workspace);
        var victim = Directory.EnumerateFiles(model, "*.safetensors").Order().First();
        using (var stream = File.OpenWrite(victim)) stream.SetLength(stream.Length - 100);
        await Refused(workspace, EmbeddedModel.RunFile(workspace, model: model), Path.GetFileName(victim));
    }

    [Fact]
    public async Task A_header_that_lies_about_offsets()
    {
        using var workspace = new Workspace();
        var model = EmbeddedModel.Copy(workspace);
        var victim = Directory.EnumerateFiles(model, "*.safetensors").Order().First();
        var bytes = File.ReadAllBytes(victim);
        var length = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
        var header = Encoding.UTF8.GetString(bytes, 8, length);
        var at = header.IndexOf("\"data_offsets\":[", StringComparison.Ordinal) + "\"data_offsets\":[".Length;
        var lie = header[..at] + (char)(header[at] == '9' ? '8' : header[at] + 1) + header[(at + 1)..];
        Encoding.UTF8.GetBytes(lie).CopyTo(bytes, 8);
        File.WriteAllBytes(victim, bytes);
        await Refused(workspace, EmbeddedModel.RunFile(workspace, model: model), Path.GetFileName(victim));
    }

    [Fact]
    public async Task An_unknown_architecture()
    {
        using var workspace = new Workspace();
        var model = EmbeddedModel.Copy(workspace);
        Change(Path.Combine(model, "config.json"), config =>
        {
            config["model_type"] = "mamba";
            config["architectures"] = new JsonArray("MambaForCausalLM");
        });
        await Refused(workspace, EmbeddedModel.RunFile(workspace, model: model), "config.json", "mamba");
    }

    [Fact]
    public async Task A_vocabulary_smaller_than_the_tokenizers()
    {
        using var workspace = new Workspace();
        var model = EmbeddedModel.Copy(workspace);
        Change(Path.Combine(model, "config.json"), static config => config["vocab_size"] = 40);
        await Refused(workspace, EmbeddedModel.RunFile(workspace, model: model), "vocab");
    }

    [Fact]
    public async Task An_empty_data_set()
    {
        using var workspace = new Workspace();
        await Refused(workspace, EmbeddedModel.RunFile(workspace, data: workspace.Write("empty.jsonl", "")), "empty.jsonl");
    }

    [Fact]
    public async Task A_malformed_line()
    {
        using var workspace = new Workspace();
        var data = workspace.Write("bad.jsonl", "{\"prompt\": \"a\", \"completion\": \"b\"}\n{\"prompt\": \"a\", \n");
        await Refused(workspace, EmbeddedModel.RunFile(workspace, data: data), "bad.jsonl", "line 2");
    }

    [Fact]
    public async Task A_sample_that_is_too_long()
    {
        using var workspace = new Workspace();
        var data = workspace.Write("long.jsonl", $"{{\"prompt\": \"{new string('a', 300)}\", \"completion\": \"b\"}}\n");
        await Refused(workspace, EmbeddedModel.RunFile(workspace, data: data), "long.jsonl", "line 1", "max_length");
    }

    [Fact]
    public async Task An_output_folder_that_cannot_be_made()
    {
        using var workspace = new Workspace();
        var file = EmbeddedModel.RunFile(workspace);
        var blocker = workspace.Write("blocker", "a file, not a folder");
        await Refused(workspace, file, ["--set", $"output={blocker}/runs"], "blocker");
    }

    [Fact]
    public async Task A_port_in_use()
    {
        using var workspace = new Workspace();
        using var taken = new Socket(SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Any, 0));
        taken.Listen();
        var port = ((IPEndPoint)taken.LocalEndPoint!).Port;
        var silo = Path.Combine(
            Path.GetDirectoryName(PeftClient.Program)!.Replace("/Client/", "/Silo/", StringComparison.Ordinal),
            "peft-silo.dll"
        );
        var start = new ProcessStartInfo("dotnet", [silo, "--cluster-folder", workspace.Folder, "--gateway-port", $"{port}"])
        {
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var errors = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.Equal(2, process.ExitCode);
        Assert.Contains($"port {port} (--gateway-port)", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_full_disk_pauses_the_run_until_there_is_room()
    {
        using var workspace = new Workspace();
        var file = EmbeddedModel.RunFile(workspace, "full", steps: 6);
        var undisturbed = (
            await PeftClient.Run("start-run", "-f", file, "--local", "1", "--run-id", "undisturbed", "-o", "json")
        ).Succeeded();
        var small = Path.Combine(workspace.Folder, "small");
        Directory.CreateDirectory(small);
        // A file system of four megabytes in a mount namespace of its own: room for logs, not for a snapshot of 9 MB. Once the run says so,
        // there is more.
        var script = $"""
            mount -t tmpfs -o size=4m tmpfs '{small}' || exit 1
            dotnet '{PeftClient.Program}' start-run -f '{file}' --local 1 --run-id full-disk --set output='{small}' -o json 2>errors &
            client=$!
            while kill -0 $client 2>/dev/null && ! grep -q "disk of .* is full" errors; do sleep 0.2; done
            mount -o remount,size=200m '{small}'
            wait $client
            status=$?
            cat errors >&2
            exit $status
            """;
        var start = new ProcessStartInfo("unshare", ["--user", "--map-root-user", "--mount", "sh", "-c", script])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            RedirectStandardInput = true,
            WorkingDirectory = workspace.Folder,
        };
        start.Environment["PEFT_HOME"] = workspace.Folder;
        Process? process;
        try
        {
            process = Process.Start(start);
        }
        catch (System.ComponentModel.Win32Exception error)
        {
            Assert.Skip($"needs unshare (util-linux): {error.Message}");
            return;
        }

        using var running = process!;
        var errors = running.StandardError.ReadToEndAsync();
        var output = await running.StandardOutput.ReadToEndAsync();
        await running.WaitForExitAsync();
        var text = output + await errors;
        if (text.Contains("unshare:", StringComparison.Ordinal) || text.Contains("mount:", StringComparison.Ordinal))
            Assert.Skip($"needs a user namespace with its own mounts: {text.Trim()}");
        Assert.True(running.ExitCode == 0, text);
        Assert.Contains("is full; make room there, and the run continues by itself", text, StringComparison.Ordinal);
        Assert.Equal(
            undisturbed.AdapterSha256,
            JsonNode.Parse(output.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1])!["adapterSha256"]!.GetValue<string>());
    }

    private static Task Refused(Workspace workspace, string file, params string[] words) => Refused(workspace, file, [], words);

    private static async Task Refused(Workspace workspace, string file, string[] more, params string[] words)
    {
        var outcome = await PeftClient.Run(["start-run", "-f", file, "--local", "1", "--run-id", "refused", .. more]);
        var text = outcome.Output + outcome.Errors;
        Assert.NotEqual(0, outcome.ExitCode);
        foreach (var word in words) Assert.True(text.Contains(word, StringComparison.Ordinal), $"'{word}' is not in:\n{text}");
        Assert.DoesNotContain("   at ", text, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(workspace.Folder, "runs", "refused", "adapter", "adapter_model.safetensors")));
    }

    private static void Change(string path, Action<JsonObject> change)
    {
        var node = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        change(node);
        File.WriteAllText(path, node.ToJsonString());
    }
}
