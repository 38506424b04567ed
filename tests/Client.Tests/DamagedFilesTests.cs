using System.Text;
using System.Text.RegularExpressions;
using CsCheck;
using Peft.Orleans.Data.Problems;
using Peft.Orleans.Tests;
using Xunit;

namespace Peft.Orleans.Client.Tests;

/// <summary>
/// Whatever a file holds that a command reads, it is no error of the program: the command works, or refuses and names the file.
/// </summary>
public sealed class DamagedFilesTests
{
    private static readonly int Iterations = Environment.GetEnvironmentVariable("PEFT_LONG") == "1" ? 20_000 : 400;

    [Fact]
    public void Run_file()
    {
        using var workspace = new Workspace();
        var valid = File.ReadAllText(
            workspace.RunFile(
                "method: { name: lora, lora: { rank: 8 } }\nsnapshots: { every: 2 }\ncompute: { threads_per_silo: 1 }\nseed: 3\n"
            )
        );
        Check(workspace, "run.yaml", Damage.OfYaml(valid), ["start-run", "-f", workspace.Path("run.yaml"), "--dry-run"]);
    }

    [Fact]
    public void Comparison()
    {
        using var workspace = new Workspace();
        workspace.RunFile();
        Check(
            workspace,
            "compare.yaml",
            Damage.OfYaml(
                "base: run.yaml\nmethods:\n  - lora\n  - { name: hybrid, label: h, method.lora.rank: 8 }\nrepeats: 2\ngrid: { training.optimizer.learning_rate: [1e-3, 1e-4] }\n"
            ),
            // Refused whatever else it says, so that no silo is started.
            ["compare", "-f", workspace.Path("compare.yaml"), "--set", "data.train.path=nowhere.jsonl"]);
    }

    [Fact]
    public void Score_items()
    {
        using var workspace = new Workspace();
        var model = workspace.Model();
        ArithmeticProblems.WriteTokenizer(model);
        foreach (var line in (string[])["{\"input_ids\":[1,5],\"labels\":[-100,5]}", "{\"context\":\"a\",\"continuation\":\"b\"}"])
        {
            Check(
                workspace,
                "items.jsonl",
                Damage
                    .OfJson(Encoding.UTF8.GetBytes(line))
                    .Select(static bytes => (byte[])[.. bytes, .. "\n{\"input_ids\":[-1],\"labels\":[1]}\n"u8]),
                ["score", "--model", model, "--input", workspace.Path("items.jsonl"), "--output", "-"]
            );
        }
    }

    [Fact]
    public void Run_index()
    {
        using var workspace = new Workspace();
        var home = Environment.GetEnvironmentVariable("PEFT_HOME");
        Environment.SetEnvironmentVariable("PEFT_HOME", workspace.Path("home"));
        try
        {
            Directory.CreateDirectory(workspace.Path("home"));
            var line = $$"""{"id":"a","folder":"{{workspace.Path("runs/a")}}","cluster":null,"created":"2026-01-01T00:00:00+00:00"}""";
            Check(workspace, "home/runs.jsonl", Damage.OfJson(Encoding.UTF8.GetBytes(line)), ["get", "runs"]);
        }
        finally
        {
            Environment.SetEnvironmentVariable("PEFT_HOME", home);
        }
    }

    [Theory]
    [InlineData("status.json")]
    [InlineData("metrics.jsonl")]
    [InlineData("events.jsonl")]
    [InlineData("run.yaml")]
    public void Files_of_a_run(string name)
    {
        using var workspace = new Workspace();
        var folder = workspace.FinishedRun("f");
        var valid = File.ReadAllText(Path.Combine(folder, name));
        var line = name.EndsWith(".jsonl", StringComparison.Ordinal) ? valid[..(valid.IndexOf('\n') + 1)] : valid;
        var damaged = name == "run.yaml" ? Damage.OfYaml(line) : Damage.OfJson(Encoding.UTF8.GetBytes(line));
        foreach (var command in (string[][])[["describe", "run", folder], ["metrics", folder, "-o", "ndjson"], ["silos", folder]])
            Check(workspace, $"runs/f/{name}", damaged, command);
    }

    private static void Check(Workspace workspace, string file, Gen<byte[]> damaged, string[] command) =>
        damaged.Sample(
            bytes =>
            {
                File.WriteAllBytes(workspace.Path(file), bytes);
                var outcome = TestClient.Run(command).GetAwaiter().GetResult();
                Assert.True(outcome.ExitCode is not (ExitCodes.Unexpected or ExitCodes.Failed), outcome.Errors);
                // The file itself, or the one that its damaged words name.
                if (outcome.ExitCode == ExitCodes.Refused)
                    Assert.Matches($"{Regex.Escape(Path.GetFileName(file))}|{Regex.Escape(workspace.Folder)}", outcome.Errors);
            },
            iter: Iterations / 4,
            threads: 1,
            print: static bytes => Encoding.UTF8.GetString(bytes)
        );
}
