using System.Diagnostics;
using System.Globalization;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Kubernetes;

/// <summary>Images: linted, their steps carried out, and what they would hold run as a pod would run it.</summary>
public sealed class ImagesTests
{
    private static readonly string[] Names = ["silo", "client"];

    [Fact]
    public async Task Linters_find_nothing_in_them_and_something_in_others()
    {
        using var workspace = new Workspace();
        var bad = workspace.Write("Dockerfile", "FROM debian:latest\nRUN apt-get install curl\nEXPSE 80\n");
        var found = await Lint([bad]);
        Assert.Contains(found, static line => line.Contains("Latest Tag", StringComparison.Ordinal));
        Assert.Contains(found, static line => line.Contains("EXPSE", StringComparison.Ordinal));
        Assert.Empty(await Lint(Names.Select(static name => new Dockerfile(name).File)));
    }

    [Fact]
    public void Each_is_built_in_one_stage_and_runs_in_another_as_the_user_of_the_pods()
    {
        foreach (var name in Names)
        {
            var file = new Dockerfile(name);
            var stages = file.All("FROM");
            Assert.Equal(2, stages.Length);
            Assert.EndsWith(" AS build", stages[0], StringComparison.Ordinal);
            Assert.DoesNotContain("/sdk:", stages[1], StringComparison.Ordinal);
            Assert.Equal(["64198:64198"], file.All("USER"));
            Assert.Equal(["[\"/app/peft-" + name + "\"]"], file.All("ENTRYPOINT"));
            Assert.Equal([". .", "--from=build /app /app"], file.All("COPY"));
        }

        Assert.Equal(["11111 11112 30000 8080"], new Dockerfile("silo").All("EXPOSE"));
    }

    [Fact]
    public async Task What_they_hold_trains_as_an_unprivileged_user_on_a_read_only_root_with_a_tmp_of_its_own()
    {
        using var sandbox = Sandbox.Make();
        // As the tests were built: a debug build is optimised, and need not be made again.
        var pivot = new DirectoryInfo(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory)).Name;
        var configuration = pivot.StartsWith("release", StringComparison.Ordinal) ? "Release" : "Debug";
        var arguments = new Dictionary<string, string> { ["PUBLISH"] = $"-c {configuration} --no-build" };
        foreach (var name in Names) await new Dockerfile(name).Build(Path.Combine(sandbox.Folder, name), arguments);
        Assert.False(File.Exists(Path.Combine(sandbox.Folder, "client", "libLibTorchSharp.so")));
        Copy(EmbeddedModel.Folder, Path.Combine(sandbox.Folder, "model"));
        Directory.CreateDirectory(Path.Combine(sandbox.Folder, "runs"));
        File.WriteAllLines(
            Path.Combine(sandbox.Folder, "runs", "train.jsonl"),
            File.ReadLines(Path.Combine(EmbeddedModel.Examples, "problems", "train.jsonl")).Take(50));
        File.WriteAllText(Path.Combine(sandbox.Folder, "runs", "run.yaml"), """
            name: pod
            model: { path: /mnt/model }
            data: { train: { path: /mnt/runs/train.jsonl, format: completion }, max_length: 160 }
            method: { name: lora, lora: { rank: 4, alpha: 8 } }
            training: { steps: 2, global_batch: 4 }
            output: /mnt/runs
            """);
        var port = Random.Shared.Next(10_240, 32_768).ToString(CultureInfo.InvariantCulture);
        using var silo = sandbox.Start(
            "/mnt/silo/peft-silo", "--cluster-folder", "/mnt/runs/cluster", "--name", "pod-0", "--threads", "1", "--gateway-port", port);
        var said = silo.StandardError.ReadToEndAsync();
        var log = silo.StandardOutput.ReadToEndAsync();
        var registration = Path.Combine(sandbox.Folder, "runs", "cluster", "silos", "pod-0.json");
        await Patience.Until(() => File.Exists(registration) || silo.HasExited);
        Assert.True(!silo.HasExited, silo.HasExited ? await log + await said : "");

        using var client = sandbox.Start(
            "/mnt/client/peft-client", "start-run", "-f", "/mnt/runs/run.yaml", "--run-id", "pod", "--cluster", $"127.0.0.1:{port}");
        var output = client.StandardOutput.ReadToEndAsync();
        var errors = client.StandardError.ReadToEndAsync();
        await client.WaitForExitAsync(Patience.Token);
        Assert.True(client.ExitCode == 0, await output + await errors);
        Assert.True(File.Exists(Path.Combine(sandbox.Folder, "runs", "pod", "adapter", "adapter_model.safetensors")));

        // The silo is what a pod's first process is: it ends by itself when it is told to.
        sandbox.Terminate(silo);
        await silo.WaitForExitAsync(Patience.Token);
        Assert.True(silo.ExitCode == 0, await log + await said);
    }

    private static async Task<string[]> Lint(IEnumerable<string> files)
    {
        var folder = Tool.RequireNpm("dockerfilelint");
        var start = new ProcessStartInfo(Tool.Require("node", "nodejs"), ["check-dockerfiles.mjs", .. files])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
        };
        using var process = Process.Start(start)!;
        var lines = (await process.StandardOutput.ReadToEndAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
        return lines;
    }

    private static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var file in Directory.EnumerateFiles(from)) File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
    }
}
