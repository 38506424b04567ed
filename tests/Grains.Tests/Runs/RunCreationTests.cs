using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Planning;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Runs;
using Peft.Orleans.Grains.Runs;
using Peft.Orleans.Tests;
using Xunit;

namespace Peft.Orleans.Grains.Tests.Runs;

/// <summary>The coordinator decides what a run file leaves open as the client does.</summary>
public sealed class RunCreationTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("peft-creation").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void The_coordinators_plan_of_the_quickstart_is_that_of_its_dry_run()
    {
        var spec = RunFile.Load(Quickstart());
        Assert.Null(spec.Model.Dtype);
        var client = RunResolver.Resolve(spec, ModelFolder.Open(spec.Model.Path), threads: 2);
        // A client of this machine hands over the resolved file, a remote one the file as it is.
        foreach (var yaml in new[] { client.Yaml, RunFile.Write(spec) })
        {
            var coordinator = RunCreation.Resolve(new RunRequest("a", "/nowhere", yaml, Resume: false), null, threads: 2);
            Assert.Equal(
                (client.Yaml, client.Hash, client.Dtype, client.Products),
                (coordinator.Yaml, coordinator.Hash, coordinator.Dtype, coordinator.Products)
            );
            Assert.Equal(RunPlanner.Memory(client, 2), RunPlanner.Memory(coordinator, 2));
            var (shown, made) = (Plan(client), Plan(coordinator));
            Assert.Equal(shown.Seats, made.Seats);
        }

        Assert.Equal(WeightType.Float32, client.Dtype);
        Assert.Equal(4 * client.Model.EmbeddingParameters, RunPlanner.Memory(client, 2)[0].Base);
    }

    [Theory]
    [InlineData("config.json")]
    [InlineData("generation_config.json")]
    [InlineData("tokenizer.json")]
    [InlineData("tokenizer_config.json")]
    [InlineData("model.safetensors.index.json")]
    [InlineData("adapter_config.json")]
    [InlineData("train.jsonl")]
    public async Task A_file_that_only_the_silo_sees_and_that_holds_null_is_refused_by_name(string file)
    {
        foreach (var path in Directory.EnumerateFiles(Path.Combine(Repository.Root, "examples/tiny-llama")))
            File.Copy(path, Path.Combine(folder, Path.GetFileName(path)));
        foreach (var content in (string[])["null", "[]", "[null]", "1", "\"x\"", ""])
        {
            File.WriteAllText(Path.Combine(folder, "train.jsonl"), "{\"prompt\": \"a\", \"completion\": \"b\"}\n");
            File.WriteAllText(Path.Combine(folder, file), content);
            var yaml =
                $"name: a\nmodel: {{ path: {folder} }}\ndata: {{ train: {{ path: {folder}/train.jsonl, format: completion }} }}\n"
                + $"training: {{ steps: 2 }}\noutput: {folder}/runs\n"
                + (file == "adapter_config.json" ? $"method: {{ initial_adapter: {folder} }}\n" : "");
            var request = new RunRequest("a", folder + "/runs/a", yaml, Resume: false);
            var refused = await Assert.ThrowsAsync<PeftException>(async () =>
                await RunCreation.Check(request, RunCreation.Resolve(request, null, threads: 1))
            );
            Assert.Contains(Path.Combine(folder, file), refused.Message, StringComparison.Ordinal);
            Assert.False(Directory.Exists(folder + "/runs"));
        }
    }

    private static SeatPlan Plan(ResolvedRun run) =>
        RunPlanner.Plan(
            run,
            [
                .. Enumerable
                    .Range(0, 2)
                    .Select(static i => new SiloInventory(new PlannedSilo($"silo-{i}", "", Endpoint.None), [], MemoryBytes: 400 << 20)),
            ]
        );

    private static string Quickstart()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "examples/quickstart.yaml"))) folder = Path.GetDirectoryName(folder)!;
        return Path.Combine(folder, "examples/quickstart.yaml");
    }
}
