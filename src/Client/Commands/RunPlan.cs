using System.Globalization;
using System.Text.Json.Nodes;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Planning;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Client.Commands;

/// <summary>What <c>--dry-run</c> prints: the plan, the predicted memory per silo, the resolved run file.</summary>
internal static class RunPlan
{
    /// <summary>Prints the plan of a resolved run over some local silos.</summary>
    public static void Write(Terminal terminal, ResolvedRun run, int silos, OutputFormat format)
    {
        var (dimensions, spec) = (run.Model, run.Spec);
        // The silos of a local cluster share this machine's memory; the planner orders them by name.
        var machine = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        var inventory = Enumerable
            .Range(0, silos)
            .Select(i => new SiloInventory(
                new PlannedSilo("silo-" + i.ToString(CultureInfo.InvariantCulture), "", Endpoint.None),
                [],
                machine
            ))
            .ToArray();
        var plan = RunPlanner.Plan(run, inventory);
        var layers = RunPlanner.Memory(run, plan.Silos.Length);
        var memory = MemoryModel.PerSilo(plan, layers);
        var rows = plan.Silos.Select(silo => (silo.Name, Layers: plan.ActiveLayersOn(silo.Name), Bytes: memory[silo.Name])).ToArray();
        var trainable = dimensions.Trainable(spec.Method);
        var data = new JsonObject
        {
            ["silos"] = new JsonArray([.. rows.Select(row => (JsonNode)new JsonObject
            {
                ["name"] = row.Name,
                ["replica"] = plan.ReplicaOf(row.Name),
                ["layers"] = new JsonArray([.. row.Layers.Select(static layer => (JsonNode)layer)]),
                ["predictedBytes"] = row.Bytes,
            })]),
            ["threadsPerSilo"] = run.Threads,
            ["products"] = run.Products.ToString().ToLowerInvariant(),
            ["trainableParameters"] = trainable,
            ["run"] = run.Yaml,
        };
        terminal.Data(data, format, () =>
        {
            var table = Terminal.NewTable("SILO", "LAYERS", "PREDICTED MEMORY");
            foreach (var (name, seats, bytes) in rows) table.Row(name, Ranges(seats), Mebibytes(bytes));
            return table;
        });
        if (format != OutputFormat.Table)
            return;
        var last = dimensions.TrainsTiedEmbedding(spec.Method) ? "; the head is the embedding" : ", last the head";
        var (weights, products) = (run.Dtype.ToString().ToLowerInvariant(), run.Products.ToString().ToLowerInvariant());
        terminal.Line(string.Create(CultureInfo.InvariantCulture, $"""
            layers: 0 is the embedding, then the {dimensions.Blocks} decoder blocks{last}
            trainable parameters: {trainable:N0}
            weights held as {weights}, products in {products}; bf16 products here: {Processor.BFloat16Path}

            """));
        terminal.Out.Write(run.Yaml);
    }

    /// <summary>3, 4, 5, 9 as "3-5, 9".</summary>
    public static string Ranges(IReadOnlyList<int> numbers)
    {
        var parts = new List<string>();
        for (var i = 0; i < numbers.Count;)
        {
            var j = i;
            while (j + 1 < numbers.Count && numbers[j + 1] == numbers[j] + 1) j++;
            parts.Add(i == j ? $"{numbers[i]}" : $"{numbers[i]}-{numbers[j]}");
            i = j + 1;
        }

        return parts.Count == 0 ? "standby" : string.Join(", ", parts);
    }

    /// <summary>Bytes for people.</summary>
    public static string Mebibytes(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / (1024.0 * 1024):N0} MiB");
}
