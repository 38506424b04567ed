using System.CommandLine;
using System.Text.Json.Nodes;
using Peft.Orleans.Client.Clusters;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Client.Runs;
using Peft.Orleans.Core.Cluster;
using SiloStatus = Peft.Orleans.Core.Cluster.SiloStatus;

namespace Peft.Orleans.Client.Commands;

/// <summary><c>silos</c>.</summary>
internal static class SilosCommand
{
    public static Command Create(Terminal terminal)
    {
        var run = new Argument<string?>("RUN")
        {
            Arity = ArgumentArity.ZeroOrOne,
            Description = "A run folder or run id (default: the newest run that is running).",
        };
        var cluster = CommonOptions.Cluster();
        var output = OutputOption.Create("table", "json", "yaml");
        var command = new Command("silos", "List the silos of a run's cluster, and the layers each holds.") { run, cluster, output };
        command.SetAction(async (parsed, cancellation) =>
        {
            var address = parsed.GetValue(cluster);
            var found = parsed.GetValue(run) is { } name ? Find(name, address) : Newest(address);
            await using var client = address is null
                ? await RunConnection.Open(terminal, found, cancellation)
                : await ClusterClient.ToAddress(terminal, address, cancellation);
            var silos = found.Id.Length == 0 ? await client.Silos() : await client.SilosOf(found.Id);
            terminal.Data(new JsonArray([.. silos.Select(static silo => (JsonNode)Json(silo))]), parsed.Format(output), () => Table(silos));
            return ExitCodes.Success;
        });
        return command;
    }

    /// <summary>The documented object, and what else is known.</summary>
    public static JsonObject Json(SiloStatus silo) => new()
    {
        ["name"] = silo.Name,
        ["pid"] = silo.Pid,
        ["address"] = silo.Address,
        ["state"] = silo.State,
        ["replica"] = silo.Replica,
        ["layers"] = new JsonArray([.. silo.Layers.Select(static layer => (JsonNode)layer)]),
        ["standby"] = silo.Standby,
        ["residentBytes"] = silo.ResidentBytes,
        ["weightBytesRead"] = silo.WeightBytesRead,
        ["metricsUrl"] = silo.MetricsUrl,
    };

    // On a remote cluster a run need not be in this user's index.
    private static IndexedRun Find(string name, string? address) =>
        address is null ? RunIndex.OfUser().FindPresent(name) : new IndexedRun(name, "", address, DateTimeOffset.UnixEpoch);

    private static IndexedRun Newest(string? address) =>
        address is not null
            ? new IndexedRun("", "", address, DateTimeOffset.UnixEpoch)
            : RunIndex
                .OfUser()
                .All()
                .FirstOrDefault(static run => run.Cluster is null && RunFolderReader.LivingSilos(run.Folder).Count > 0)
                ?? throw new ClientException(
                    ExitCodes.NoCluster,
                    "no run of yours is running on this machine; name a run, or a cluster with --cluster"
                );

    /// <summary>A silo in a sentence.</summary>
    public static string Sentence(JsonNode silo)
    {
        var layers = silo["layers"]!.AsArray().Select(static layer => layer!.GetValue<int>()).ToArray();
        var resident = silo["residentBytes"]!.GetValue<long>();
        return $"{silo["state"]!.GetValue<string>().ToLowerInvariant()}, "
            + (layers.Length == 0 ? "standing by" : $"layers {RunPlan.Ranges(layers)}")
            + (resident > 0 ? $", {RunPlan.Mebibytes(resident)}, process {silo["pid"]}" : "") + $" at {silo["address"]}";
    }

    internal static Spectre.Console.Table Table(IReadOnlyList<SiloStatus> silos)
    {
        var table = Terminal.NewTable("SILO", "PID", "ADDRESS", "STATE", "REPLICA", "MEMORY", "READ", "LAYERS");
        table.Columns[2].NoWrap = false;
        table.Columns[^1].NoWrap = false;
        foreach (var silo in silos)
        {
            table.Row(
                silo.Name, $"{silo.Pid}", silo.Address, silo.State, silo.Replica is { } replica ? $"{replica}" : "-",
                RunPlan.Mebibytes(silo.ResidentBytes), RunPlan.Mebibytes(silo.WeightBytesRead), RunPlan.Ranges(silo.Layers));
        }

        return table;
    }
}
