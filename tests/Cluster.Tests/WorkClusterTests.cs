using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>Silos of one piece of work (text, scores, an export), which the client starts and ends.</summary>
public sealed class WorkClusterTests
{
    [Fact]
    public async Task The_log_of_a_silo_that_dies_at_work_is_where_the_error_says()
    {
        using var workspace = new Workspace();
        var line = JsonSerializer.Serialize(new { input_ids = Enumerable.Range(1, 60), labels = Enumerable.Range(1, 60) });
        var input = workspace.Write("rows.jsonl", string.Concat(Enumerable.Repeat(line + "\n", 20_000)));
        using var client = PeftClient.Start(
            "score", "--model", EmbeddedModel.Folder, "--input", input, "--output", Path.Combine(workspace.Folder, "scores.jsonl"));
        var errors = new StringBuilder();
        while (await client.StandardError.ReadLineAsync(Patience.Token) is { } said)
        {
            errors.Append(said).Append('\n');
            // The silo is at work; it is the client's only child.
            if (said.StartsWith("scored 64 of ", StringComparison.Ordinal)) Kill(client.Id);
        }

        await client.WaitForExitAsync(Patience.Token);
        Assert.Equal(1, client.ExitCode);
        var log = Regex.Match(errors.ToString(), @"\(whole log: (.+)\)").Groups[1].Value;
        Assert.True(File.Exists(log), errors.ToString());
        var folder = Path.GetDirectoryName(Path.GetDirectoryName(log)!)!;
        Assert.Equal([Path.GetDirectoryName(log)], Directory.EnumerateFileSystemEntries(folder));
        Directory.Delete(folder, recursive: true);
    }

    private static void Kill(int parent)
    {
        var child = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{parent}/task/{parent}/children")).Trim();
        using var silo = System.Diagnostics.Process.GetProcessById(int.Parse(child, CultureInfo.InvariantCulture));
        silo.Kill();
    }
}
